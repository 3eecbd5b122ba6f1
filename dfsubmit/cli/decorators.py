"""Options that several commands share, and how what they ask for is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dfsubmit.bundle.upload import MAX_SIZE
from dfsubmit.cli.values import byte_size
from dfsubmit.errors import UsageError
from dfsubmit.files import write_atomically

Command = TypeVar("Command", bound=Callable[..., Any])


def plugin_options(function: Command) -> Command:
    """``--plugins-dir`` (repeatable) and ``--strict``."""
    function = click.option(
        "--strict", is_flag=True, help="A plugin that fails to load is an error."
    )(function)
    return click.option(
        "--plugins-dir",
        multiple=True,
        metavar="DIR",
        help="Load every *.py file of DIR as a plugin. This RUNS their code. Repeatable.",
    )(function)


def debug_option(function: Command) -> Command:
    """``--debug``: tracebacks. The group reads it; the command itself need not know of it."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        help="Show tracebacks.",
    )(function)


def labels_option(function: Command) -> Command:
    """``--labels LABELS.csv``, required."""
    return click.option(
        "--labels",
        required=True,
        metavar="LABELS.csv",
        help="True labels: columns filename,label (0, 1, real, fake), optionally group and others.",
    )(function)


def max_size_option(function: Command) -> Command:
    """``--max-size SIZE``, of a bundle."""
    return click.option(
        "--max-size",
        type=byte_size,
        metavar="SIZE",
        default=f"{MAX_SIZE // 2**30}GB",
        show_default=True,
        help="Refuse a larger bundle (the server's limit goes with the key).",
    )(function)


def write_file(path: str, data: str | bytes) -> None:
    """Write a file that the user asked for by option.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        write_atomically(path, data)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
