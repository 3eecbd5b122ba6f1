"""The experiment report: model card, rehearsal, comparison and score of one submission.

In: an entry of the ledger and what was kept with it. Out: Markdown.
"""

from __future__ import annotations

from typing import Any

from dfsubmit.bundle.rehearse import report
from dfsubmit.bundle.submit import ledger
from dfsubmit.bundle.submit.evidence import read_json
from dfsubmit.bundle.submit.ledger import Entry


def experiment_report(entry: Entry, entries: list[Entry]) -> str:
    """The report as a Markdown document; what was not measured is said to be missing.

    Args:
        entry: the submission.
        entries: the whole ledger, to compare its score with.
    """
    folder = ledger.keepsakes(entry.id)

    def kept(name: str) -> dict[str, Any] | None:
        path = folder / name
        return read_json(path) if path.is_file() else None

    card = folder / "README.md"
    sections = [
        f"# {entry.id}: {entry.model_name}",
        "\n".join(_summary(entry, ledger.gains(entries))),
        "## Recipe\n\n" + "\n".join(f"- {key}: {value}" for key, value in entry.recipe.items()),
        "## Rehearsal\n\n" + _rehearsal(kept("rehearsal.json")),
        "## Comparison of aggregators\n\n" + _comparison(kept("comparison.json")),
        "## Under degradation\n\n" + _stress(kept("stress.json")),
        "## Model card\n\n"
        + (_demote(card.read_text(encoding="utf-8")) if card.is_file() else "The model has none."),
    ]
    return "\n\n".join(section.rstrip() for section in sections) + "\n"


def _summary(entry: Entry, gains: dict[str, float]) -> list[str]:
    score = "not entered" if entry.score is None else f"{entry.score:.4f}"
    if entry.id in gains:
        score += f" ({gains[entry.id]:+.4f} against the best before it)"
    rows = [
        ("sent", f"{entry.when:%Y-%m-%d %H:%M} KST"),
        ("contract", entry.target + (", trial" if entry.trial else "")),
        ("accepted", "yes" if entry.accepted else "no"),
        ("score (macro F1, hidden test)", score),
        ("model", f"{entry.model}, SHA-256 `{entry.model_sha256[:16]}`"),
        ("bundle", f"SHA-256 `{entry.bundle_hash[:16]}`"),
        ("aggregator", f"{entry.aggregator}, test-time augmentation: {entry.tta}"),
    ]
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]


def _rehearsal(data: dict[str, Any] | None) -> str:
    if data is None:
        return "Not rehearsed."
    return "\n".join(report.checks_table(report.from_dict(data)))


def _comparison(data: dict[str, Any] | None) -> str:
    if data is None:
        return "Not measured."
    lines = ["| aggregator | macro F1 | 95 % interval |", "|---|---|---|"]
    for row in data["aggregators"]:
        low, high = row["ci"]
        lines.append(f"| {row['aggregator']} | {row['macro_f1']:.4f} | {low:.4f} to {high:.4f} |")
    return "\n".join(lines)


def _stress(data: dict[str, Any] | None) -> str:
    if data is None:
        return "Not measured."
    lines = ["| variant | macro F1 |", "|---|---|"]
    rows = [data["clean"], *data["variants"]]
    lines += [f"| {row['variant']} | {row['macro_f1']:.4f} |" for row in rows]
    return "\n".join(lines)


def _demote(markdown: str) -> str:
    """The card's headings two levels down, code blocks left alone."""
    lines, is_code = [], False
    for line in markdown.splitlines():
        is_code ^= line.startswith("```")
        lines.append(f"##{line}" if line.startswith("#") and not is_code else line)
    return "\n".join(lines)
