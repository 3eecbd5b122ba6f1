"""Scores, metadata and labels → the page's data for each file.

In: one or two scores files, and true labels. Out: a `Run` each, and an `Entry` for each file of the
first run, whose numbers are those of the files, unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dfsubmit.console import printable
from dfsubmit.errors import UsageError
from dfsubmit.evaluation.evaluate import Evaluation, evaluate
from dfsubmit.evaluation.labels import LabelledFile, labels_of_folders, read_labels
from dfsubmit.metrics import Predictions
from dfsubmit.output.scores import read_meta, read_scores
from dfsubmit.records import FileResult, FloatArray, Status
from dfsubmit.scoring.decision import Decision, decision_of_run

NEAR = 0.1
"""A p_fake that is no further from the threshold is near it."""


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        path: of its scores.
        results: its files' rows, in the order of the scores.
        meta: its metadata; empty where there are none beside the scores.
        decision: temperature and threshold; the plain ones where the metadata do not say.
        evaluation: against the true labels; None without them.
    """

    path: Path
    results: list[FileResult]
    meta: dict[str, Any]
    decision: Decision
    evaluation: Evaluation | None = None

    @property
    def name(self) -> str:
        """What the run is called: its scores file, without its suffix."""
        return printable(self.path.name.removesuffix(".scores.jsonl"))


@dataclass(frozen=True)
class Entry:
    """One file on the page.

    Attributes:
        number: from 1, in the order of the scores; names the row in links.
        result: its row.
        name: its name as people can read it.
        threshold: of the run.
        truth: its true label; None where unknown.
        times, p_fake: float64 (n,): its frames, at the run's temperature.
        other: the same file's row in the second run; None where there is none.
    """

    number: int
    result: FileResult
    name: str
    threshold: float
    truth: int | None
    times: FloatArray
    p_fake: FloatArray
    other: FileResult | None = None

    @property
    def scored(self) -> bool:
        """Whether its label comes from its frames."""
        return self.result.status is Status.OK

    @property
    def wrong(self) -> bool:
        """Whether its label is not the true one."""
        return self.truth is not None and self.result.label != self.truth

    @property
    def distance(self) -> float | None:
        """How far p_fake is from the threshold; None where there is no p_fake."""
        value = self.result.p_fake
        return None if value is None else abs(value - self.threshold)

    @property
    def near(self) -> bool:
        """Whether a little more or less would change its label."""
        return self.distance is not None and self.distance <= NEAR

    @property
    def error(self) -> float | None:
        """How far p_fake is from the true label, 0 to 1; None where either is unknown."""
        value = self.result.p_fake
        return None if value is None or self.truth is None else abs(value - self.truth)

    @property
    def change(self) -> float | None:
        """p_fake in the second run less p_fake in this one; None where either has none."""
        if self.other is None or self.other.p_fake is None or self.result.p_fake is None:
            return None
        return self.other.p_fake - self.result.p_fake

    @property
    def changed(self) -> bool:
        """Whether the second run gave it another label."""
        return self.other is not None and self.other.label != self.result.label

    @property
    def matters(self) -> tuple[int, float]:
        """Sorts the files that are worth a closer look to the front: wrong, changed or failed
        ones, the most confident first, then those nearest the threshold."""
        distance = self.distance
        if self.wrong or self.changed:
            return 0, -(1.0 if distance is None else distance)
        if not self.scored:
            return 1, 0.0
        return 2, 0.0 if distance is None else distance


def read_run(path: Path, labels: Mapping[str, LabelledFile] | None, progress: bool) -> Run:
    """A run by its ``.scores.jsonl``.

    Args:
        path: of the scores.
        labels: of its files, or of some of them; None without.
        progress: show a progress bar on stderr while intervals are computed.

    Raises:
        UsageError: the file cannot be read or holds no row, or none of the labelled files.
    """
    if path.suffix != ".jsonl":
        raise UsageError(
            f"{path} is no scores file",
            "give the .scores.jsonl that 'dfsubmit run' writes beside submission.csv",
        )
    results = read_scores(path)
    if not results:
        raise UsageError(f"{path}: no rows", "the run that wrote it found no files")
    meta = read_meta(path)
    return Run(
        path,
        results,
        meta,
        decision_of_run(meta) or Decision("mean"),
        None if labels is None else evaluate(path, labels, progress=progress, some=True),
    )


def find_labels(scores: Path, labels: str | Path | None) -> dict[str, LabelledFile] | None:
    """The true labels: given, or those of the folders real and fake; None where neither is.

    Raises:
        UsageError: they were given and cannot be read.
    """
    if labels is not None:
        return read_labels(labels)
    try:
        return labels_of_folders(scores)
    except UsageError:
        return None


def make_entries(
    run: Run, labels: Mapping[str, LabelledFile] | None = None, other: Run | None = None
) -> list[Entry]:
    """The files of a run, those with the highest p_fake first and the failed ones last; beside a
    second run, those first whose label changed, and of these whose p_fake changed most.

    Args:
        run: whose files.
        labels: by name.
        other: a second run of the same files.
    """
    there = {} if other is None else {result.filename: result for result in other.results}
    entries = []
    for number, result in enumerate(run.results, start=1):
        scores = result.frame_scores()
        known = None if labels is None else labels.get(result.filename)
        entries.append(
            Entry(
                number,
                result,
                printable(result.filename),
                run.decision.threshold,
                None if known is None else known.label,
                scores.times,
                run.decision.temper(scores.p_fake),
                there.get(result.filename),
            )
        )
    return sorted(entries, key=_by_p_fake if other is None else _by_change)


def _by_p_fake(entry: Entry) -> tuple[bool, float, int]:
    value = entry.result.p_fake
    if value is None and entry.result.bounds is not None:
        value = sum(entry.result.bounds) / 2
    return not entry.scored, 0.0 if value is None else -value, entry.number


def _by_change(entry: Entry) -> tuple[bool, float, int]:
    return not entry.changed, -abs(entry.change or 0.0), entry.number


def mistakes(entries: Sequence[Entry], most: int = 10) -> list[Entry]:
    """The files whose label is wrong, the most confident first: furthest from the threshold."""
    wrong = [entry for entry in entries if entry.wrong and entry.scored]
    return sorted(wrong, key=lambda entry: -(entry.distance or 0.0))[:most]


def scored_p_fake(entries: Iterable[Entry]) -> FloatArray:
    """p_fake of those files that have one."""
    values = [entry.result.p_fake for entry in entries if entry.result.p_fake is not None]
    return np.array(values, np.float64)


def has_curve(predictions: Predictions) -> bool:
    """Whether there is a ROC curve: probabilities, and files of both labels."""
    return predictions.p_fake is not None and len(np.unique(predictions.labels)) == 2
