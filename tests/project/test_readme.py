"""What the READMEs and the reference show exists, and the reference is complete."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from dfsubmit.cli import COMMANDS, main
from dfsubmit.errors import Exit
from dfsubmit.recipe import BUILT_IN
from dfsubmit.records import Status

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])
READMES = [ROOT / "README.md", ROOT / "README.ko.md"]
INSTALLS = [ROOT / "docs" / "install.md", ROOT / "docs" / "ko" / "install.md"]
REFERENCES = [ROOT / "docs" / "reference.md", ROOT / "docs" / "ko" / "reference.md"]


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text)
    missing = [
        target for target in targets if "://" not in target and not (page.parent / target).exists()
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_shown_commands_and_options_exist(page: Path) -> None:
    context = click.Context(main)
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for name, arguments in re.findall(r"\bdfsubmit ([a-z]+)\b([^`\n]*)", text):
        if name not in COMMANDS:  # a sentence, not a command line
            continue
        command = main.get_command(context, name)
        assert command is not None
        commands = [command]
        if isinstance(command, click.Group):
            commands += command.commands.values()
        known = {option for item in commands for param in item.params for option in param.opts}
        known |= {"--help"} | {
            option for item in commands for param in item.params for option in param.secondary_opts
        }
        for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", arguments):
            assert option in known, f"dfsubmit {name} has no {option}"


@pytest.mark.parametrize("page", REFERENCES, ids=_name)
def test_the_reference_is_complete(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"| `{command}`" in text, command
    for status in Status:
        assert f"| `{status.value}` |" in text
    for code in Exit:
        assert f"\n| {int(code)} |" in text
    for recipe in BUILT_IN:
        assert f"| `{recipe}` |" in text
    for plugin in ROOT.glob("plugins/*/setup.cfg"):
        assert f"| [{plugin.parent.name}]" in text


@pytest.mark.parametrize("page", READMES, ids=_name)
def test_the_readme_is_short_and_names_every_plugin(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    assert "\n![" in text
    for plugin in ROOT.glob("plugins/*/setup.cfg"):
        assert plugin.parent.name in text


@pytest.mark.parametrize(
    ("english", "korean"), [tuple(pages) for pages in (READMES, REFERENCES, INSTALLS)]
)
def test_the_korean_page_has_the_same_sections_rows_and_commands(
    english: Path, korean: Path
) -> None:
    for pattern in (r"^#+ ", r"^\|", r"^    \S", r"^- "):
        counts = [
            len(re.findall(pattern, page.read_text(encoding="utf-8"), re.MULTILINE))
            for page in (english, korean)
        ]
        assert counts[0] == counts[1], pattern


def test_every_document_is_in_the_index_and_on_the_site() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        if name != "README.md":
            assert f"]({name})" in index, name
            assert f": {name}\n" in site, f"{name} is not in mkdocs.yml's nav"
    for project in ROOT.glob("plugins/*/README.md"):
        assert f": more/{project.relative_to(ROOT).as_posix()}\n" in site
