"""Tables for the terminal, Markdown and CSV, and numbers as people and programs read them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dfsubmit.console import counted, printable
from dfsubmit.intervals.groups import few_groups

WIDER = "--wide shows the other figures."
"""Below a table that leaves some out, so that it fits into 80 columns."""
VERDICT_STYLES = {"better": "green", "worse": "red"}
"""How verdicts are coloured in a terminal."""


def number(value: float, digits: int = 3, sign: bool = False) -> str:
    """A figure for people: "0.812", or "undefined" for NaN."""
    return "undefined" if math.isnan(value) else f"{value:{'+' if sign else ''}.{digits}f}"


def p_value(value: float) -> str:
    """A p for people: "0.012", "<0.001", or "" for NaN."""
    if math.isnan(value):
        return ""
    return f"{value:.3f}" if value >= 0.001 else "<0.001"


def span(low: float, high: float, sign: bool = False) -> str:
    """An interval for people: "[0.701, 0.893]", or "" where it is undefined."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"[{number(low, sign=sign)}, {number(high, sign=sign)}]"


def in_groups(files: int, groups: int) -> str:
    """What stands behind a number of files: " in 20 groups", "" where each file is its own group,
    and that the groups are too few for the intervals."""
    grouped = f" in {counted(groups, 'group')}" if groups < files else ""
    few = few_groups(groups)
    return grouped + (f"; {few}: believe no interval here" if few else "")


def in_sample(fitted: int, files: int) -> str:
    """The warning where a decision is judged on files that it was fitted on."""
    return (
        f"In-sample: threshold and temperature were fitted on {fitted} of these {files} files "
        "('dfsubmit calibrate'), so figures by label are better here than on other files."
    )


def jsonable(value: Any) -> Any:
    """The value with NaN as None, through dicts and sequences: JSON has no NaN."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    return value


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are escaped, so that no content can become markup."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(markdown(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def markdown(text: str) -> str:
    """Text with everything escaped that Markdown or HTML would act on."""
    text = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{mark}" if mark in "\\`*_[]|#!~" else mark for mark in text)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV with full-precision figures; NaN is an empty field."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if cell != cell else cell for cell in row] for row in rows)
    return stream.getvalue()
