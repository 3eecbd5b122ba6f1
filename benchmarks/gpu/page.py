"""What the parts found → one Markdown page."""

from __future__ import annotations

from typing import Any


def page(results: dict[str, Any]) -> str:
    """The page.

    Args:
        results: a part's title to its rows, to one row, or to the reason why it was left out.
    """
    parts = ["# dfsubmit on this GPU\n"]
    for title, found in results.items():
        parts.append(f"## {title}\n")
        if isinstance(found, str):
            parts.append(f"{found}\n")
        else:
            parts.append(table(found if isinstance(found, list) else [found]))
    return "\n".join(parts)


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table of rows, which may differ in their columns."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [_line(columns), _line(["---"] * len(columns))]
    lines += [_line([_cell(row.get(name)) for name in columns]) for row in rows]
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, float):
        return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")
