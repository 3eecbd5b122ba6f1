"""The page's words, in English and Korean: ``en.json`` and ``ko.json``."""

from __future__ import annotations

import json
import locale
import os
from pathlib import Path
from string import Formatter
from typing import Any

LANGUAGES = ("en", "ko")


class Words:
    """``words("key", name=value)``: a text of the page in one language."""

    def __init__(self, language: str) -> None:
        path = Path(__file__).with_name(f"{language}.json")
        self.texts: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))

    def __call__(self, key: str, **values: object) -> str:
        text = self.texts[key]
        return _COUNTING.format(text, **values) if values else text


class _Counting(Formatter):
    """Of ``{count:file|files}`` makes "1 file" and "2 files"."""

    def format_field(self, value: Any, format_spec: str) -> Any:
        one, bar, many = format_spec.partition("|")
        if bar:
            return f"{value} {one if value == 1 else many}"
        return super().format_field(value, format_spec)


_COUNTING = _Counting()


def default_language() -> str:
    """Korean where the user's locale is; else English."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "ko" if value.lower().startswith("ko") else "en"
    return "ko" if (locale.getlocale()[0] or "").lower().startswith("ko") else "en"
