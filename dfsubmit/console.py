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


def table(rows: Sequence[Sequence[object]], indent: str = "  ") -> str:
    """Rows of equal length as aligned columns. A column of numbers (its first row, a header
    perhaps, left out of account) is set to the right."""
    columns = list(zip(*rows, strict=True))
    right = [
        all(isinstance(cell, (int, float)) for cell in column[1:] or column) for column in columns
    ]
    widths = [max(len(str(cell)) for cell in column) for column in columns]
    lines = []
    for row in rows:
        fitted = [
            str(cell).rjust(width) if number else str(cell).ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        ]
        lines.append((indent + "  ".join(fitted)).rstrip())
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """ "8.4 s", "3 min 5 s" or "2 h 10 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns aligned for a terminal: the first to the left, figures to the right."""
    cells = [list(header), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if column and _is_figure(cells[1:], column) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _is_figure(rows: list[list[str]], column: int) -> bool:
    return all(row[column][:1] in "+-0123456789[u" for row in rows)


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
