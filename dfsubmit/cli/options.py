"""Options that several commands share, and how what they ask for is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from dfsubmit.atomic import write_atomically
from dfsubmit.errors import UsageError

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


class _Share(click.ParamType[float]):
    """A share of 1: ``5%``, ``0.05``, ``1`` or ``100%``."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value).strip()
        try:
            share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            self.fail(f"{text!r} is no share such as 5% or 0.05", param, ctx)
        if not 0 <= share <= 1:
            self.fail(f"{text!r} is not from 0 to 1 (0% to 100%)", param, ctx)
        return share


class _Span(click.ParamType[float]):
    """A span of time in seconds: ``3h``, ``90m``, ``1h30m``, ``45s`` or ``600``."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value).strip().lower()
        match = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s?)?", text)
        try:
            if not match or not any(match.groups()):
                raise ValueError(text)
            hours, minutes, seconds = (float(part or 0) for part in match.groups())
        except ValueError:
            self.fail(f"{text!r} is no span of time such as 3h, 90m or 600", param, ctx)
        span = hours * 3600 + minutes * 60 + seconds
        if not span:
            self.fail("a span of time has to be more than 0", param, ctx)
        return span


SHARE, SPAN = _Share(), _Span()


def write_file(path: str, data: str | bytes) -> None:
    """Write a file that the user asked for by option.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        write_atomically(path, data)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
