"""Pages and help texts are in plain technical English; Korean pages use the field's terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dfsubmit.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("", "docs/", "docs/ko/", "models/", "plugins/", "plugins/*/", "submit/")
PAGES = sorted(page for folder in FOLDERS for page in ROOT.glob(f"{folder}*.md"))

# What readers stumbled over, and what to write in its place.
STYLISED = {
    "aloud": "warns, reports",
    "of its own making": "that it made",
    "lies there": "is there",
    "of a video the": "the … of a video",
    "a forward pass": "per forward pass",
    "seconds a file": "seconds per file",
    "at most so many": "at most N",
    "'s to use": "available to",
    "on where it was": "resumes",
    "passed over": "skipped",
    "figures do not hold": "figures are too good",
    "reals": "real files, real faces",
    "behind your back": "without asking",
    "nobody knows": "it is unknown",
    "give the same command": "run the same command",
    "held by": "tested by",
    "the wall's clock": "wall-clock time",
}
KOREAN = {"임곗값": "임계값", "우연 수준": "무작위 추측 수준", "스트레스 시험": "스트레스 테스트"}


def _found(text: str, phrases: dict[str, str]) -> list[str]:
    words = " ".join(re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL).split())
    return [
        f"{phrase!r}: write {instead}"
        for phrase, instead in phrases.items()
        if re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", words, re.IGNORECASE)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_is_in_plain_words(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name == "CHANGELOG.md":  # what was said then
        text = text[: text.find("\n## [0")] if "\n## [0" in text else text
    assert not _found(text, STYLISED)
    assert not _found(text, KOREAN)


def _texts(command: click.Command) -> Iterator[str]:
    yield command.help or ""
    yield from (item.help or "" for item in command.params if isinstance(item, click.Option))
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _texts(inner)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_in_plain_words(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert not [found for text in _texts(command) for found in _found(text, STYLISED)]
