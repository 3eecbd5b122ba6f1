"""The experiment report: model card, rehearsal, comparison and score of one submission.

In: an entry of the ledger and the files stored with it. Out: Markdown. The files may have been
edited since: unreadable ones are reported as such, and all text is escaped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dfsubmit.bundle.markdown import demoted, inline
from dfsubmit.bundle.rehearse import report
from dfsubmit.bundle.submit import ledger, overview
from dfsubmit.bundle.submit.evidence import read_json
from dfsubmit.bundle.submit.ledger import Entry
from dfsubmit.errors import UsageError


def experiment_report(entry: Entry, entries: list[Entry]) -> str:
    """The report as a Markdown document; what was not measured is said to be missing.

    Args:
        entry: the submission.
        entries: the whole ledger, to compare its score with.
    """
    folder = ledger.keepsakes(entry.id)
    recipe = [f"- {inline(key)}: {inline(value)}" for key, value in entry.recipe.items()]
    sections = [
        f"# {inline(entry.id)}: {inline(entry.model_name)}",
        "\n".join(_summary(entry, overview.gains(entries))),
        "## Recipe\n\n" + "\n".join(recipe),
        "## Rehearsal\n\n" + _kept(folder / "rehearsal.json", _rehearsal, "Not rehearsed."),
        "## Comparison of aggregators\n\n" + _kept(folder / "comparison.json", _comparison),
        "## Under degradation\n\n" + _kept(folder / "stress.json", _stress),
        "## Model card\n\n" + _card(folder / "README.md"),
    ]
    return "\n\n".join(section.rstrip() for section in sections) + "\n"


def _summary(entry: Entry, gains: dict[str, float]) -> list[str]:
    score = "not entered" if entry.score is None else f"{entry.score:.4f}"
    if entry.id in gains:
        score += f" ({gains[entry.id]:+.4f} against the best before it)"
    accepted = {True: "yes", False: "no", None: "not known: it was broken off"}
    rows = [
        ("sent", f"{entry.when:%Y-%m-%d %H:%M} KST"),
        ("contract", inline(entry.target) + (", trial" if entry.trial else "")),
        ("accepted", accepted[entry.accepted]),
        ("score (macro F1, hidden test)", score),
        ("model", f"{inline(entry.model)}, SHA-256 {inline(entry.model_sha256[:16])}"),
        ("bundle", f"SHA-256 {inline(entry.bundle_hash[:16])}"),
        ("aggregator", inline(f"{entry.aggregator}, test-time augmentation: {entry.tta}")),
    ]
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]


def _kept(
    path: Path, section: Callable[[dict[str, Any]], list[str]], missing: str = "Not measured."
) -> str:
    """A section from a JSON file, or why there is none."""
    if not path.is_file():
        return missing
    try:
        data = read_json(path)
        assert data is not None
        return "\n".join(section(data))
    except (UsageError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return f"{inline(path.name)} cannot be read: {inline(repr(error))}"


def _rehearsal(data: dict[str, Any]) -> list[str]:
    return report.checks_table(report.from_dict(data))


def _comparison(data: dict[str, Any]) -> list[str]:
    lines = ["| aggregator | macro F1 | 95 % interval |", "|---|---|---|"]
    for row in data["aggregators"]:
        low, high = row["ci"]
        name = inline(row["aggregator"])
        lines.append(f"| {name} | {row['macro_f1']:.4f} | {low:.4f} to {high:.4f} |")
    return lines


def _stress(data: dict[str, Any]) -> list[str]:
    rows = [data["clean"], *data["variants"]]
    lines = [f"| {inline(row['variant'])} | {row['macro_f1']:.4f} |" for row in rows]
    return ["| variant | macro F1 |", "|---|---|", *lines]


def _card(path: Path) -> str:
    try:
        return demoted(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return "The model has none."
    except OSError as error:
        return f"It cannot be read: {inline(error)}"
