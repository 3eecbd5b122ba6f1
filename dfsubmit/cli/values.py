"""Option values with units, as a function for click's ``type=``."""

from __future__ import annotations

import re

import click

_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def byte_size(text: str) -> int:
    """Bytes from "500MB", "2GB", "1.5g" or a plain number; the multiples are binary."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", text.casefold())
    if match is None:
        raise click.BadParameter(f"{text!r} is not a size such as 500MB or 2GB")
    return int(float(match.group(1)) * _BYTES[match.group(2)])
