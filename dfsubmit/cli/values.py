"""Option values with units: sizes and durations."""

from __future__ import annotations

import re
from typing import Any

import click

_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class ByteSize(click.ParamType):
    """ "500MB", "2GB", "1.5g" or plain bytes; binary multiples."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", str(value).casefold())
        if match is None:
            self.fail(f"{value!r} is not a size such as 500MB or 2GB", param, ctx)
        return int(float(match.group(1)) * _BYTES[match.group(2)])


class Duration(click.ParamType):
    """ "3h", "90m", "45s" or plain seconds."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|)\s*", str(value).casefold())
        if match is None:
            self.fail(f"{value!r} is not a duration such as 3h, 90m or 45s", param, ctx)
        return float(match.group(1)) * _SECONDS[match.group(2)]
