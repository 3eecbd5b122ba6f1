"""What mkdocs cannot do by itself (a hook of ``mkdocs.yml``).

The pages are written to be read in the repository, and some are outside of ``docs/``. This adds
those to the site, generates the pages of commands and classes from the code, and rewrites links
between files of the repository. A link to a file that does not exist is a warning, which
``mkdocs build --strict`` turns into an error.
"""

import html
import inspect
import logging
import os
import re
from pathlib import Path, PurePosixPath

import click
from mkdocs.structure.files import File

from dfsubmit import _HOMES, hooks
from dfsubmit.cli import main

log = logging.getLogger("mkdocs.hooks.site")

ROOT = Path(__file__).resolve().parents[1]
# A link, whose text may hold a picture, and its target in the repository.
LINK = re.compile(r"(!?\[(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*\])\((?![a-z]+:)([^)#\s]+)(#[^)\s]*)?\)")
OUTSIDE = ("*.md", "models/**/*.md", "plugins/**/*.md", "submit/*.md")
HOME = {"README.md": "index.md", "README.ko.md": "ko/index.md", "docs/README.md": "index.md"}


def on_files(files, config):
    """Add pages from outside of ``docs/``, their pictures, and the generated pages."""
    files.remove(files.get_file_from_path("README.md"))  # the index in the repository
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, _place(name), abs_src_path=str(path)))
    for picture in ROOT.glob("models/*/*.png"):
        name = picture.relative_to(ROOT).as_posix()
        files.append(File.generated(config, _place(name), abs_src_path=str(picture)))
    files.append(File.generated(config, "cli.md", content=_commands()))
    files.append(File.generated(config, "api.md", content=_classes()))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links between files of the repository become links between pages of the site."""
    if page.file.abs_src_path is None:  # generated above
        return markdown
    source = Path(page.file.abs_src_path).relative_to(ROOT).as_posix()
    folder = PurePosixPath(page.file.src_uri).parent

    def rewritten(match):
        text, target, anchor = match[1], match[2], match[3] or ""
        path = os.path.normpath(os.path.join(os.path.dirname(source), target))
        if (ROOT / path / "README.md").is_file():
            path += "/README.md"
        if not (ROOT / path).exists():
            log.warning("%s links to %s, which does not exist", source, target)
        if files.get_file_from_path(_place(path)) is None:  # a file that the site does not have
            return text.lstrip("!")[1:-1]
        return f"{text}({os.path.relpath(_place(path), folder)}{anchor})"

    return LINK.sub(rewritten, markdown)


def _place(name):
    """Where a file of the repository is on the site."""
    return HOME.get(name) or (name.removeprefix("docs/") if name[:5] == "docs/" else "more/" + name)


def _commands():
    """Every command with its options, from click."""
    text = "# Command line\n\nGenerated from the code. Tables of statuses, exit codes and variables"
    text += " are in the [reference](reference.md).\n\n"
    context = click.Context(main, info_name="dfsubmit")
    for name in main.list_commands(context):
        text += _command(main.get_command(context, name), name, context, "##")
    return text


def _command(command, name, parent, heading):
    context = click.Context(command, info_name=name, parent=parent)
    help_text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    text = f"{heading} {name}\n\n{_escaped(help_text)}\n\n"
    text += f"```\n{command.get_usage(context).removeprefix('Usage: ')}\n```\n\n"
    records = [param.get_help_record(context) for param in command.get_params(context)]
    rows = [
        f"| <code>{html.escape(names).replace('|', '&#124;')}</code> | {_escaped(meaning)} |"
        for names, meaning in filter(None, records)
    ]
    text += "\n".join(["| option | meaning |", "|---|---|", *rows]) + "\n\n"
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            text += _command(command.get_command(context, inner), inner, context, heading + "#")
    return text


def _escaped(text):
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)


def _classes():
    """The public names of dfsubmit, and what plugins import."""
    entry = "::: {}\n    options:\n      heading_level: 3\n\n"
    api = "# Python\n\nGenerated from the docstrings.\n\n## dfsubmit\n\n"
    api += "".join(entry.format(f"{home}.{name}") for name, home in sorted(_HOMES.items()))
    api += "## dfsubmit.hooks\n\nWhat a plugin imports.\n\n"
    for name in hooks.__all__:
        home = getattr(getattr(hooks, name), "__module__", "")
        if home.startswith("dfsubmit.") and name not in _HOMES:
            api += entry.format(f"{home}.{name}")
    return api + "## dfsubmit.hooks.testing\n\n" + entry.format("dfsubmit.hooks.testing")
