"""Tables and paragraphs for a terminal, drawn by rich: as wide as it is, coloured where it can.

Where stdout is no terminal nothing is wrapped and nothing coloured, unless COLUMNS or FORCE_COLOR
ask for it. NO_COLOR and TERM=dumb take the colours away.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dfsubmit.console.text import printable, printable_text

_UNLIMITED = 100_000
_GAP = 2
# A column is made no narrower than its longest word, unless that is a long one.
_SHORT_WORD = 16
# rich's notation for a line of "-" below the header and spaces between columns.
_BELOW_HEADER = "    \n    \n -- \n" + "    \n" * 5


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    indent: str = "",
    rule: bool = True,
    wide: bool = False,
    styles: Mapping[str, str] | None = None,
) -> str:
    """Aligned columns: figures to the right, the first column and words to the left.

    In a terminal the words are wrapped so that the table fits; nothing is cut.

    Args:
        header: the columns' names; empty for none.
        rows: of as many cells each, which are made `printable`.
        indent: what every line begins with.
        rule: draw a line under the header.
        wide: never wrap.
        styles: rich's styles ("bold red") of cells by their text.
    """
    from rich.box import Box
    from rich.table import Table
    from rich.text import Text

    body = [[printable(str(cell)) for cell in row] for row in rows]
    if not body and not header:
        return ""
    grid = Table(
        box=Box(_BELOW_HEADER, ascii=True) if rule else None,
        show_edge=False,
        show_header=bool(header),
        header_style="bold",
        border_style="dim",
        pad_edge=False,
        padding=(0, 1 if rule else _GAP, 0, 0),
    )
    console = _console(indent, wide)
    columns = list(zip(*([header, *body] if header else body), strict=True))
    widths = _widths(columns, console.width - _GAP * (len(columns) - 1))
    for place, column in enumerate(columns):
        # A figure is a number, an interval, "undefined" or nothing.
        figure = place > 0 and all(row[place][:1] in "+-<0123456789[u" for row in body)
        grid.add_column(
            Text(column[0] if header else ""),
            justify="right" if figure else "left",
            overflow="fold",
            width=widths[place],
        )
    styles = styles or {}
    for row in body:
        grid.add_row(*(Text(cell, styles.get(cell, "")) for cell in row))
    return _drawn(grid, console, indent)


def paragraph(text: str, style: str = "") -> str:
    """A text made `printable_text`, its lines wrapped between words where stdout is a terminal."""
    from rich.text import Text

    return _drawn(Text(printable_text(text), style, overflow="fold"), _console())


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """A width for each column: as wide as its cells, where that is too much less of the widest.

    Done here, for rich makes room without a thought for words, and cuts what does not fit.
    """
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in columns]
    words = [
        max((cell_len(word) for text in column for word in text.split()), default=0)
        for column in columns
    ]
    for least in ([min(word, _SHORT_WORD) for word in words], [1] * len(columns)):
        while sum(widths) > room:
            place = max(range(len(widths)), key=lambda item: widths[item] - least[item])
            if widths[place] <= least[place]:
                break
            widths[place] -= 1
    return widths


def _console(indent: str = "", wide: bool = False) -> Any:
    """rich's, for stdout, as wide as a line may be."""
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False, force_jupyter=False)
    limited = not wide and (console.is_terminal or "COLUMNS" in os.environ)
    console.width = max(console.width - len(indent), 1) if limited else _UNLIMITED
    return console


def _drawn(content: Any, console: Any, indent: str = "") -> str:
    with console.capture() as captured:
        console.print(content)
    return "\n".join((indent + line).rstrip() for line in captured.get().split("\n")[:-1])
