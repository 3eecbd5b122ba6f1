"""The expected results of a bundle before it is sent, and which measurements are missing.

In: the rehearsal's report and, if available, the JSON outputs of `dfsubmit compare` and
`dfsubmit stress`. Out: lines of text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.bundle.rehearse.report import Report
from dfsubmit.console import counted
from dfsubmit.errors import UsageError


@dataclass(frozen=True)
class Evidence:
    """Attributes: the last rehearsal; the JSON of compare and of stress; None where not made."""

    rehearsal: Report | None = None
    comparison: dict[str, Any] | None = None
    stress: dict[str, Any] | None = None


def read_json(path: Path | None) -> dict[str, Any] | None:
    """A JSON object from a file; None for None.

    Raises:
        UsageError: it cannot be read, or is no object.
    """
    if path is None:
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path}: not a JSON object")
    return data


def expectations(evidence: Evidence, aggregator: str) -> list[str]:
    """One line for each kind of evidence, also for what is missing.

    Raises:
        UsageError: a JSON file is not of the kind that it was given as.
    """
    return [
        f"macro F1 on labelled data: {_rehearsed(evidence.rehearsal)}",
        f"macro F1 in the comparison: {_compared(evidence.comparison, aggregator)}",
        f"worst of stress: {_stressed(evidence.stress)}",
    ]


def _rehearsed(rehearsal: Report | None) -> str:
    figures = rehearsal.figures if rehearsal else {}
    if "macro_f1" not in figures:
        return "not measured (dfsubmit rehearse … --labels LABELS.csv)"
    low, high = figures["macro_f1_ci"]
    value, count = figures["macro_f1"], figures["labelled"]
    text = f"{value:.4f}, 95 % interval {low:.4f} to {high:.4f}, {counted(count, 'labelled file')}"
    return text + _in_sample(figures)


def _compared(comparison: dict[str, Any] | None, aggregator: str) -> str:
    if comparison is None:
        return "not given (dfsubmit compare … --json, then --comparison FILE)"
    try:
        rows = [row for row in comparison["aggregators"] if row["aggregator"] == aggregator]
        texts = []
        for row in rows:
            low, high = row["ci"]
            text = f"{row['macro_f1']:.4f}, 95 % interval {low:.4f} to {high:.4f}"
            texts.append(text + _in_sample(row))
            if len(rows) > 1:
                texts[-1] += f" ({row['source']}, {row['frames'] or 'all'} frames)"
        return "; ".join(texts) or f"{aggregator} is not in it"
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"--comparison: not the output of compare --json: {error!r}") from error


def _in_sample(figures: dict[str, Any]) -> str:
    fitted = figures.get("in_sample", 0)
    return f", in-sample: the threshold was fitted on {fitted} of them" if fitted else ""


def _stressed(stress: dict[str, Any] | None) -> str:
    if stress is None:
        return "not measured (dfsubmit stress … --json, then --stress FILE)"
    try:
        worst = min(stress["variants"], key=lambda row: row["macro_f1"])
        clean = stress["clean"]["macro_f1"]
        return f"{worst['macro_f1']:.4f} under {worst['variant']}; {clean:.4f} on the clean files"
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"--stress: not the output of stress --json: {error!r}") from error
