"""Option values with units, as functions for click's ``type=``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from dfsubmit.errors import UsageError
from dfsubmit.files import check_output
from dfsubmit.shards import Shard

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class ModelName(click.types.StringParamType):
    """A model's name or path; completed, and listed where it is missing."""

    name = "model"

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        from dfsubmit.models.search import listing

        return listing()

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from dfsubmit.models.search import models_at_hand

        names = [CompletionItem(name) for name in models_at_hand() if name.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="dir")]


def _completed(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in sorted(names) if name.startswith(incomplete)]


def complete_aggregators(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Installed aggregators, for the shell. Plugin files are not run for a completion."""
    from dfsubmit.hooks.loading import load_plugins

    return _completed(load_plugins().aggregators, incomplete)


def complete_recipes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Built-in recipes, for the shell."""
    from dfsubmit.recipe import BUILT_IN

    return _completed(BUILT_IN, incomplete)


_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def byte_size(text: str) -> int:
    """Bytes from "500MB", "2GB", "1.5g" or a plain number; the multiples are binary."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", text.casefold())
    if match is None:
        raise click.BadParameter(f"{text!r} is not a size such as 500MB or 2GB")
    return int(float(match.group(1)) * _BYTES[match.group(2)])


def output_file(text: str) -> str:
    """A file to write, refused at once where it could not be written in the end."""
    try:
        check_output(text)
    except UsageError as error:
        raise click.BadParameter(error.message) from error
    return text


def share(text: str) -> float:
    """A share of 1 from "5%", "0.05", "1" or "100%"."""
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no share such as 5% or 0.05") from None
    value = value / 100 if text.strip().endswith("%") else value
    if not 0 <= value <= 1:
        raise click.BadParameter(f"{text!r} is not from 0 to 1 (0% to 100%)")
    return value


def shard(text: str) -> Shard:
    """A part of the files, from "2/8"."""
    try:
        return Shard.parse(text)
    except UsageError as error:
        raise click.BadParameter(error.message) from error


def span(text: str) -> float:
    """A span of time in seconds, more than 0, from "3h", "90m", "1h30m", "45s" or "600"."""
    match = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s?)?", text.strip().lower())
    try:
        if not match or not any(match.groups()):
            raise ValueError(text)
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
    except ValueError:
        raise click.BadParameter(f"{text!r} is no span of time such as 3h, 90m or 600") from None
    if not hours + minutes + seconds:
        raise click.BadParameter("a span of time has to be more than 0")
    return hours * 3600 + minutes * 60 + seconds
