"""Names, lists and durations, formatted for a terminal."""

from __future__ import annotations

from collections.abc import Iterable


def printable(name: str) -> str:
    """A file name that cannot move the cursor or break a line: what is not printable (control
    characters, undecodable bytes) is shown as a backslash escape."""
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode("ascii")
        for mark in name
    )


def printable_text(text: str) -> str:
    """`printable` for a text of several lines: its line feeds stay."""
    return "\n".join(printable(line) for line in text.split("\n"))


def first_few(
    items: Iterable[str], count: int = 5, separator: str = ", ", others: str = "and {} more"
) -> str:
    """The first of many names for a message, `printable`, and how many others there are.

    Args:
        items: what to name.
        count: how many of them to show.
        separator: between them.
        others: stands for the rest; {} is their number.
    """
    names = [printable(item) for item in items]
    rest = len(names) - count
    return separator.join([*names[:count], others.format(rest)] if rest > 0 else names)


def counted(count: int, noun: str, plural: str = "") -> str:
    """ "1 file", "2 files", "1,500 files"; `plural` is for nouns that take more than an s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """ "8.4 s", "3 min 5 s" or "2 h 10 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
