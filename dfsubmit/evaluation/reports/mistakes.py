"""`Mistakes` as tables and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from dfsubmit.console import counted
from dfsubmit.evaluation.mistakes import CLOSE, TRY, Mistake, Mistakes
from dfsubmit.labels import LABELS

HEADER = ("file", "truth", "p_fake", "why")
_WORDS = {label: word for word, label in LABELS.items()}


def sections(found: Mistakes) -> Iterator[tuple[str, list[list[str]]]]:
    """Each sort of files: its title, and rows under `HEADER`; sorts without a file are left out."""
    order = "the surest first" if found.has_scores else "without scores"
    titles = {
        "wrong": f"with the wrong label, {order}",
        "close": f"with the right label within {CLOSE:g} of the threshold {found.threshold:g}",
        "unscored": "without a score, those with the wrong label first",
    }
    for sort, title in titles.items():
        rows: list[Mistake] = getattr(found, sort)
        if rows:
            more = found.counts[sort] - len(rows)
            shown = f" ({more} more)" if more else ""
            yield (
                f"{counted(found.counts[sort], 'file')} {title}{shown}",
                [_row(item) for item in rows],
            )


def advice(found: Mistakes) -> list[str]:
    """What to try, a line each."""
    if not found.has_scores and found.wrong:
        return ["the .scores.jsonl of the same run has reasons: evaluate that"]
    return [TRY[kind] for kind in found.kinds]


def as_json(found: Mistakes | None) -> dict[str, Any] | None:
    """Plain JSON types; None where they were not asked for."""
    return None if found is None else {**dataclasses.asdict(found), "try": advice(found)}


def _row(item: Mistake) -> list[str]:
    p_fake = "" if item.p_fake is None else f"{item.p_fake:.3f}"
    return [item.filename, _WORDS[item.truth], p_fake, item.why]
