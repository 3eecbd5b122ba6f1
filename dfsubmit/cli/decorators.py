"""Options that several commands share, and how what they ask for is written."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import click

from dfsubmit._version import __version__
from dfsubmit.bundle.upload import MAX_SIZE
from dfsubmit.cli.values import ModelName, byte_size, complete_recipes, output_file, shard
from dfsubmit.console import VERBOSITY, note, say, start_log
from dfsubmit.errors import UsageError
from dfsubmit.files import write_atomically
from dfsubmit.shards import Shard

Command = TypeVar("Command", bound=Callable[..., Any])

_NAMED_PARTS = 8
"""More shards than this are not listed one by one."""


def plugin_options(function: Command) -> Command:
    """``--plugins-dir`` (repeatable) and ``--strict``."""
    function = click.option(
        "--strict", is_flag=True, help="A plugin that fails to load is an error."
    )(function)
    return click.option(
        "--plugins-dir",
        multiple=True,
        metavar="DIR",
        help="Load every *.py file of DIR as a plugin: this RUNS its code. Repeatable.",
    )(function)


def _set_verbosity(name: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def set_it(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value:
            setattr(VERBOSITY, name, True)

    return set_it


def _start_log(context: click.Context, parameter: click.Parameter, path: str | None) -> None:
    if path is None:
        return
    try:
        start_log(path)
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be written: {error.strerror or error}") from error
    note(f"dfsubmit {__version__}: {shlex.join(sys.argv[1:])}")


def debug_option(function: Command) -> Command:
    """``--verbose``, ``--quiet``, ``--log`` and ``--debug``, for every command: the group and the
    console act on them, and the command itself need not know of them."""
    for option in (
        click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks."),
        click.option(
            "--log",
            type=output_file,
            expose_value=False,
            is_eager=True,
            callback=_start_log,
            help="Add what is said on stderr to a file, with the time.",
        ),
        click.option(
            "-q",
            "--quiet",
            is_flag=True,
            expose_value=False,
            callback=_set_verbosity("quiet"),
            help="Say warnings and errors only.",
        ),
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            expose_value=False,
            callback=_set_verbosity("verbose"),
            help="Say more, such as what waited for what.",
        ),
    ):
        function = option(function)
    return function


def ending(*command: object, wrote: Iterable[object] = ()) -> None:
    """What a command ends with, on stderr: the files that it wrote, and the command that is next.

    Args:
        command: the next one's words, without "dfsubmit"; words in capitals stand for what only the
            user knows.
        wrote: files that the results on stdout do not name.
    """
    for path in wrote:
        say(f"wrote {path}")
    if command:
        say(f"next: dfsubmit {' '.join(shlex.quote(str(word)) for word in command)}")


def ending_of_shard(shard: Shard, output: Path, folder: bool = False) -> None:
    """`ending` of a command that made one shard: once all are made, they are merged.

    Args:
        shard: which one.
        output: of the undivided run.
        folder: it is a folder.
    """
    parts = shard.all_beside(output, folder) if shard.of <= _NAMED_PARTS else ["PARTS"]
    ending("merge", output, *parts)


progress_option = click.option(
    "--progress/--no-progress", default=True, help="Show a progress bar on stderr."
)
"""For every command that may take long."""

json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")

wide_option = click.option("--wide", is_flag=True, help="Show every figure, wider than 80 columns.")
"""For tables that leave figures out by default; `give_report` takes it."""

samples_option = click.option(
    "--samples",
    default=10_000,
    show_default=True,
    type=click.IntRange(min=100),
    help="Random draws of intervals and tests.",
)

labels_option = click.option(
    "--labels",
    required=True,
    metavar="FILE",
    help="True labels: columns filename,label (0, 1, real, fake), optionally group and others.",
)

# What `run` and `stress` both take.
model_option = click.option(
    "-m",
    "--model",
    required=True,
    type=ModelName(),
    help="A model's name, its folder or a zip of it.",
)
recipe_option = click.option(
    "--recipe",
    shell_complete=complete_recipes,
    metavar="NAME|FILE",
    help="Override the model's recipe, with a warning.",
)
frames_option = click.option(
    "--frames", type=click.IntRange(1), help="Override the recipe's number of frames."
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="DEVICE",
    help="auto, cpu, cuda or cuda:N.",
)
fake_label_option = click.option(
    "--fake-label", metavar="NAME", help="Name of the fake class, if it cannot be recognised."
)

executor_option = click.option(
    "--executor",
    default="local",
    show_default=True,
    metavar="SPEC",
    help="Where files are worked on: NAME or NAME:key=value,… ('dfsubmit plugins').",
)
shard_option = click.option(
    "--shard",
    type=shard,
    metavar="I/N",
    help="Process only part I of N, with its own output; combine with 'dfsubmit merge'.",
)

max_size_option = click.option(
    "--max-size",
    type=byte_size,
    metavar="SIZE",
    default=f"{MAX_SIZE // 2**30}GB",
    show_default=True,
    help="Maximum size of the bundle (the server sets a limit per key).",
)


def write_file(path: str, data: str | bytes) -> None:
    """Write a file that the user asked for by option.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        write_atomically(path, data)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error


def give_report(
    content: Any,
    forms: ModuleType,
    as_json: bool,
    wide: bool,
    markdown: str | None = None,
    csv: str | None = None,
    plot: str | None = None,
) -> None:
    """Print figures as text or JSON, and write the files that were asked for.

    Args:
        content: what `forms` is about.
        forms: a module of `dfsubmit.evaluation.reports`.
        as_json: print JSON.
        wide: show every figure as text.
        markdown, csv, plot: files to write; None writes none.

    Raises:
        UsageError: a file cannot be written.
    """
    if as_json:
        click.echo(json.dumps(forms.as_json(content), indent=2))
    else:
        click.echo(forms.as_text(content, wide), color=True)
    for path, form in ((markdown, "as_markdown"), (csv, "as_csv"), (plot, "as_png")):
        if path:
            write_file(path, getattr(forms, form)(content))
            say(f"wrote {path}")
