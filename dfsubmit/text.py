"""Text for terminals and reports: escaped names and plain tables."""

from __future__ import annotations

from collections.abc import Sequence


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
