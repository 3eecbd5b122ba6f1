"""A run's final table: what became of the files, how fast, and where the time went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.console import counted, duration, first_few, paragraph, table
from dfsubmit.records import LABELS, FileResult, Status

_SHOWN = 10


def format_summary(summary: RunSummary) -> str:
    """The text that `dfsubmit run` prints on stdout."""
    outcome, *rest = _lines(summary)
    return f"{outcome}\n{paragraph(chr(10).join(rest))}"


def _lines(summary: RunSummary) -> Iterator[str]:
    meta, results = summary.meta, summary.results
    rows: list[tuple[object, ...]] = []
    for status in Status:
        some = [result for result in results if result.status is status]
        if some:
            labels = [sum(result.label == label for result in some) for label in LABELS.values()]
            rows.append((status.value, len(some), *labels))
    totals = [sum(result.label == label for result in results) for label in LABELS.values()]
    rows.append(("all", len(results), *totals))
    styles = {status.value: "green" if status is Status.OK else "red" for status in Status}
    yield table(("status", "files", *LABELS), rows, indent="  ", rule=False, styles=styles)
    yield from _failures(summary)
    yield from _damaged(summary)
    yield ""
    yield _speed(meta)
    model = meta["model"]
    yield (
        f"model {model['name']} ({model['loader']}, {meta['device']}, {meta['precision']}), "
        f"fake is {model['fake_class']!r}, recipe {meta['recipe']['name']}, "
        f"aggregator {meta['aggregator']}, threshold {meta['decision']['threshold']:g}"
    )
    if meta["decision"]["temperature"] != 1:
        yield f"calibrated: temperature {meta['decision']['temperature']:g}"
    yield from _notes(meta)
    yield from _aggregator(summary)
    for warning in meta["warnings"]:
        yield f"WARNING: {warning}"
    yield f"{summary.submission}: {len(results)} rows"


def _failures(summary: RunSummary) -> Iterator[str]:
    """The files that failed, with their reasons, the first of them by name."""
    failed = [item for item in summary.results if item.status is not Status.OK]
    lines = [f"    {item.status.value}: {item.filename}: {item.error}" for item in failed]
    others = "    … and {} more: see the .scores.jsonl file"
    if lines:
        yield first_few(lines, _SHOWN, "\n", others)


def _damaged(summary: RunSummary) -> Iterator[str]:
    """The files that were read although something of them is lost, the first of them by name."""
    noted = [item for item in summary.results if item.note]
    lines = [f"    {item.filename}: {item.note}" for item in noted]
    if lines:
        yield f"  {len(lines)} read although damaged"
        yield first_few(lines, _SHOWN, "\n", "    … and {} more: see the .scores.jsonl file")


def _speed(meta: dict[str, Any]) -> str:
    seconds = meta["seconds"]
    scored = meta["files"] - meta["resumed"]
    per_minute = 60 * scored / seconds["total"] if seconds["total"] else 0.0
    stages = ", ".join(
        f"{stage} {seconds.get(stage, 0.0):.1f} s" for stage in ("decode", "detect", "classify")
    )
    return (
        f"{duration(seconds['total'])}, of it {seconds['load']:.1f} s to load the model; "
        f"{per_minute:.1f} files/min; work: {stages}; "
        f"the model waited {seconds['model_waited']:.1f} s for faces, "
        f"workers {seconds['workers_waited']:.1f} s for the model"
    )


def _notes(meta: dict[str, Any]) -> Iterator[str]:
    if meta["resumed"]:
        yield f"{meta['resumed']} files were taken over from an interrupted run"
    if meta["thinned"]:
        yield f"{meta['thinned']} files were scored on fewer frames, because of the time limit"
    if meta["frames_skipped"]:
        seen = meta["frames_classified"] + meta["frames_skipped"]
        share = meta["frames_skipped"] / seen
        yield f"early exit saved {meta['frames_skipped']} frames ({share:.0%})"
    if meta["passed_over"]:
        yield f"passed over (no regular files): {first_few(meta['passed_over'], _SHOWN)}"
    for name, error in meta["plugin_failures"].items():
        yield f"WARNING: the plugin {name} did not load: {error}"


def _aggregator(summary: RunSummary) -> Iterator[str]:
    """On how many files the aggregator failed, and the first reason."""
    failed = [result for result in summary.results if result.aggregator_fallback]
    if failed:
        scored = sum(result.status is Status.OK for result in summary.results)
        yield (
            f"WARNING: the aggregator {summary.meta['aggregator']} failed on {len(failed)} of "
            f"{counted(scored, 'scored file')}, where the mean was used instead; "
            f"the first: {failed[0].filename}: {failed[0].error}"
        )


@dataclass
class RunSummary:
    """What a run came to.

    Attributes:
        submission: the CSV that was written.
        results: every file's row, in the order of the files.
        meta: what ``<stem>.meta.json`` holds.
        exit_code: 0; 1 the data folder changed meanwhile, or the aggregator failed on every scored
            file; 3 too many files failed; 4 the fallback model was used; 130 interrupted.
        exit_reason: why the code is 1, 3 or 4, in one line; empty otherwise.
    """

    submission: Path
    results: list[FileResult]
    meta: dict[str, Any]
    exit_code: int
    exit_reason: str = ""

    @property
    def failed(self) -> int:
        """The number of files whose status is not ok."""
        return sum(result.status is not Status.OK for result in self.results)
