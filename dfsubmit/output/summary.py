"""A run's final table: files by outcome, speed, and time by stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.console import VERBOSITY, counted, duration, first_few, paragraph, printable, table
from dfsubmit.labels import LABELS
from dfsubmit.options import CASCADE
from dfsubmit.output.scores import read_scores, scores_path
from dfsubmit.output.tally import SHOWN, Tally
from dfsubmit.records import FileResult, Status


def format_summary(summary: RunSummary) -> str:
    """The text that `dfsubmit run` prints on stdout."""
    outcome, *rest = _lines(summary)
    return f"{outcome}\n{paragraph(chr(10).join(rest))}"


def _lines(summary: RunSummary) -> Iterator[str]:
    meta, tally = summary.meta, summary.tally
    rows: list[tuple[object, ...]] = []
    for status in Status:
        if count := tally.with_status(status):
            labels = [tally.with_label(label, status) for label in LABELS.values()]
            rows.append((status.value, count, *labels))
    totals = [tally.with_label(label) for label in LABELS.values()]
    rows.append(("all", tally.files, *totals))
    styles = {status.value: "green" if status is Status.OK else "red" for status in Status}
    yield table(("status", "files", *LABELS), rows, indent="  ", rule=False, styles=styles)
    if tally.failed:
        yield _first(tally.failures, tally.failed)
    if tally.damaged:
        yield f"  {tally.damaged} read although damaged"
        yield _first(tally.damages, tally.damaged)
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
    yield f"{summary.submission}: {counted(tally.files, 'row')}"


def _first(lines: list[str], count: int) -> str:
    """The given lines, and how many more there are out of `count`."""
    shown = [f"    {printable(line)}" for line in lines]
    if count > len(lines):
        shown.append(f"    … and {count - len(lines)} more: see the .scores.jsonl file")
    return "\n".join(shown)


def _speed(meta: dict[str, Any]) -> str:
    seconds = meta["seconds"]
    scored = meta["files"] - meta["resumed"]
    per_minute = 60 * scored / seconds["total"] if seconds["total"] else 0.0
    stages = ", ".join(
        f"{stage} {seconds.get(stage, 0.0):.1f} s" for stage in ("decode", "detect", "classify")
    )
    text = (
        f"{duration(seconds['total'])}, of it {seconds['load']:.1f} s to load the model; "
        f"{per_minute:.1f} files/min; work: {stages}"
    )
    if not VERBOSITY.verbose:
        return text
    return (
        f"{text}; the model waited {seconds['model_waited']:.1f} s for faces, "
        f"workers {seconds['workers_waited']:.1f} s for the model"
    )


def _notes(meta: dict[str, Any]) -> Iterator[str]:
    if meta["resumed"]:
        yield f"{counted(meta['resumed'], 'file')} taken over from an interrupted run"
    if meta["thinned"]:
        yield f"{counted(meta['thinned'], 'file')} scored on fewer frames: the time limit"
    if meta["frames_skipped"]:
        seen = meta["frames_classified"] + meta["frames_skipped"]
        share = meta["frames_skipped"] / seen
        yield f"early exit saved {counted(meta['frames_skipped'], 'frame')} ({share:.0%})"
    if CASCADE in meta:
        yield _cascade(meta[CASCADE])
        yield from _no_gain(meta[CASCADE])
    if meta["passed_over"]:
        yield f"skipped (not regular files): {first_few(meta['passed_over'], SHOWN)}"
    for name, error in meta["plugin_failures"].items():
        yield f"WARNING: the plugin {name} did not load: {error}"


def _cascade(cascade: dict[str, Any]) -> str:
    """How many files were scored in which precision, and what the check of the margin found."""
    count, quick, exact = cascade["files"], cascade["quick"], cascade["exact"]
    return (
        f"{quick} for {counted(count['quick'], 'file')}; near the threshold or part of a sample: "
        f"{exact} for {count['both'] + count['exact']}, and for some frames of "
        f"{count['partly']}; {quick} would change {cascade['audit_changed']} of "
        f"{count['audited']} labels of a random sample"
    )


def _no_gain(cascade: dict[str, Any]) -> Iterator[str]:
    """A warning if the quick precision is not the quicker one on this machine."""
    quick, exact = cascade["quick_seconds"], cascade["exact_seconds"]
    if quick and exact and quick >= exact:
        yield (
            f"WARNING: on this machine {cascade['quick']} takes {quick / exact:.1f} times as long "
            f"as {cascade['exact']}: --precision {cascade['exact']} is faster"
        )


def _aggregator(summary: RunSummary) -> Iterator[str]:
    """On how many files the aggregator failed, and the first reason."""
    tally = summary.tally
    if tally.aggregator_fallbacks:
        yield (
            f"WARNING: the aggregator {summary.meta['aggregator']} failed on "
            f"{tally.aggregator_fallbacks} of {counted(tally.scored, 'scored file')}, where the "
            f"mean was used instead; the first: {tally.first_fallback}"
        )


@dataclass
class RunSummary:
    """The outcome of a run.

    Attributes:
        submission: the CSV that was written.
        tally: over its rows.
        meta: the content of ``<stem>.meta.json``.
        exit_code: 0; 1 the data folder changed meanwhile, or the aggregator failed on every scored
            file; 3 too many files failed; 4 the fallback model was used; 130 interrupted.
        exit_reason: why the code is 1, 3 or 4, in one line; empty otherwise.
    """

    submission: Path
    tally: Tally
    meta: dict[str, Any]
    exit_code: int
    exit_reason: str = ""

    @property
    def results(self) -> list[FileResult]:
        """The results of all files, in their order, read from the scores beside the CSV."""
        return read_scores(scores_path(self.submission))

    @property
    def failed(self) -> int:
        """The number of files whose status is not ok."""
        return self.tally.failed
