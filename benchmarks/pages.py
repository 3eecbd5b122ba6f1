"""Measured tables in the pages of docs/: between two markers, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def replace(page: str, name: str, content: str) -> None:
    """Put the content between the page's two markers of that name."""
    path = DOCS / page
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    path.write_text(f"{before}{begin}\n\n{content.strip()}\n\n{end}{after}", encoding="utf-8")


def finish(name: str, text: str, missed: Sequence[str]) -> None:
    """Print a table, put it into docs/validation.md, and exit with 1 where a floor is missed."""
    print(text)
    replace("validation.md", name, text)
    for line in missed:
        print("below the floor:", line, file=sys.stderr)
    sys.exit(bool(missed))
