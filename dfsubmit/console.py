"""Text for terminals and reports: escaped names and plain tables."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any


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


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    indent: str = "",
    rule: bool = True,
) -> str:
    """Aligned columns for a terminal: figures to the right, the first column and words to the left.

    Args:
        header: the columns' names; empty for none.
        rows: of as many cells each, which are made `printable`.
        indent: what every line begins with.
        rule: draw a line under the header.
    """
    body = [[printable(str(cell)) for cell in row] for row in rows]
    lines = [list(header), *body] if header else list(body)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    # A figure is a number, an interval, "undefined" or nothing.
    right = [
        place > 0 and all(row[place][:1] in "+-0123456789[u" for row in body)
        for place in range(len(widths))
    ]
    if header and rule:
        lines.insert(1, ["-" * width for width in widths])
    fitted = (
        "  ".join(
            cell.rjust(width) if figure else cell.ljust(width)
            for cell, width, figure in zip(line, widths, right, strict=True)
        )
        for line in lines
    )
    return "\n".join((indent + line).rstrip() for line in fitted)


def duration(seconds: float) -> str:
    """ "8.4 s", "3 min 5 s" or "2 h 10 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def progress_bar(total: int, unit: str, shown: bool = True, done: int = 0) -> Any:
    """A tqdm bar on stderr; a silent one when not `shown`.

    Args:
        total: how many units there are.
        unit: their name in the plural ("files").
        shown: whether to show it.
        done: how many of them are done already.
    """
    from tqdm import tqdm

    return tqdm(
        total=total, initial=done, unit=f" {unit}", disable=not shown, file=sys.stderr, delay=1
    )
