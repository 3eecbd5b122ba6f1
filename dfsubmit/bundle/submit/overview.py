"""The ledger's entries → the remaining quota, gains, and a table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from dfsubmit.bundle.submit.ledger import KOREA, Entry
from dfsubmit.console import table as aligned

A_DAY = 3
WAIT = timedelta(minutes=30)
"""The 2025 quota: three submissions a Korean day, 30 minutes after the last result was seen."""


def quota_warnings(entries: Iterable[Entry], now: datetime) -> list[str]:
    """Reasons against sending now, by the quota of 2025.

    Args:
        entries: the ledger.
        now: with its time zone.
    """
    counted = [entry for entry in entries if entry.counts]
    today = [entry for entry in counted if entry.when.date() == now.astimezone(KOREA).date()]
    warnings = []
    if len(today) >= A_DAY:
        warnings.append(f"{len(today)} submissions went out today; the day ends at Korean midnight")
    if counted:
        last = max(counted, key=lambda entry: entry.when)
        seen = datetime.fromisoformat(last.scored) if last.scored else last.when
        left = WAIT - (now - seen)
        if left > timedelta(0):
            minutes = int(-(-left.total_seconds() // 60))
            what = "score was entered" if last.scored else "submission went out"
            warnings.append(
                f"wait {minutes} min: 30 min must pass after the last {what} ({last.id})"
            )
    return warnings


def gains(entries: Iterable[Entry]) -> dict[str, float]:
    """ID → the score's change against the best of all submissions before it, where both exist."""
    best: float | None = None
    changes = {}
    for entry in sorted(entries, key=lambda entry: entry.when):
        if entry.score is None or entry.trial:
            continue
        if best is not None:
            changes[entry.id] = entry.score - best
        best = entry.score if best is None else max(best, entry.score)
    return changes


def table(entries: Iterable[Entry]) -> str:
    """The ledger as a table, newest first."""
    entries = sorted(entries, key=lambda entry: entry.when, reverse=True)
    changes = gains(entries)
    header = ("ID", "sent (KST)", "contract", "model", "recipe", "aggregator")
    rows = []
    for entry in entries:
        expected = entry.rehearsal.get("macro_f1")
        expected = expected if isinstance(expected, float) else None
        score = "" if entry.score is None else f"{entry.score:.4f}"
        rows.append(
            (
                entry.id,
                f"{entry.when:%Y-%m-%d %H:%M}",
                entry.target + (", trial" if entry.trial else ""),
                entry.model_name,
                str(entry.recipe.get("name", "")),
                entry.aggregator + ("+flip" if entry.tta == "flip" else ""),
                "" if expected is None else f"{expected:.4f}",
                score if entry.accepted else "refused" if entry.accepted is False else "no answer",
                f"{changes[entry.id]:+.4f}" if entry.id in changes else "",
            )
        )
    return aligned((*header, "rehearsed", "score", "change"), rows, rule=False)
