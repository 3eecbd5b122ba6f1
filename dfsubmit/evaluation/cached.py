"""A run's cached frame scores with the true labels, so that the model need not run again.

In: ``scores.jsonl`` (with its ``meta.json``) and the labels. Out: a `CachedRun`, whose frames
`aggregate_run` turns into each file's p_fake under any aggregator, by the code that the pipeline
uses, and `predict` into labels.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dfsubmit.console import first_few
from dfsubmit.errors import UsageError
from dfsubmit.evaluation.labels import LabelledFile, labels_of
from dfsubmit.hooks.interfaces import BoundAggregator
from dfsubmit.media.sampling import sample_indices
from dfsubmit.metrics import Predictions
from dfsubmit.output.scores import read_meta, read_scores
from dfsubmit.records import FileResult, FloatArray, FrameScores, IntArray, Status
from dfsubmit.scoring.aggregate import aggregate, label_for
from dfsubmit.scoring.decision import Decision, temper


@dataclass(frozen=True)
class CachedRun:
    """The labelled files of one run, in the order of the labels file.

    Attributes:
        name: the scores file's stem.
        files: the names of the n files.
        labels: int64 (n,), the true labels.
        frames: the scored frames of each file; None for a file that failed.
        failure: float64 (n,), 0.0 or 1.0: the failure label that the run gave, or would give.
        failed: how many files failed, by status.
        unlabelled: files with scores and without a label, left out.
        meta: the run's metadata; empty where there are none.
    """

    name: str
    files: tuple[str, ...]
    labels: IntArray
    frames: list[FrameScores | None]
    failure: FloatArray
    failed: dict[str, int]
    unlabelled: int
    meta: dict[str, Any]

    def decision(self, aggregator: str, threshold: float | None = None) -> Decision:
        """How a run with this model and this aggregator decides.

        Args:
            aggregator: the canonical spec.
            threshold: the user's own, which overrules every other.

        Returns:
            The model's calibration where it was fitted for this aggregator and the run did not
            ignore it, else temperature 1 and threshold 0.5; the threshold that the run was given
            overrules both.
        """
        given = self.meta.get("threshold") if threshold is None else threshold
        calibration = self.meta.get("calibration")
        decision = Decision(aggregator)
        if calibration is not None and calibration["aggregator"] == aggregator:
            decision = Decision(**calibration)
        return decision if given is None else dataclasses.replace(decision, threshold=float(given))


def read_cached_run(path: str | Path, labels: Mapping[str, LabelledFile]) -> CachedRun:
    """Read a scores file for comparison. Labels of other files are ignored, and counted on stderr.

    Raises:
        UsageError: it cannot be read, none of its files has a label, or it comes from a run with
            early exit.
    """
    path = Path(path)
    results = {result.filename: result for result in read_scores(path)}
    labels = labels_of(results, labels, path)
    chosen = [results[name] for name in labels]
    if any(result.frames_skipped for result in chosen):
        raise UsageError(
            f"{path} comes from a run with --early-exit: its frames were not all scored",
            "run again without --early-exit",
        )
    failures = [result for result in chosen if result.status is not Status.OK]
    return CachedRun(
        name=path.name.removesuffix(".scores.jsonl"),
        files=tuple(labels),
        labels=np.array([row.label for row in labels.values()], dtype=np.int64),
        frames=[_frames(result) for result in chosen],
        failure=np.array([float(result.label) for result in chosen]),
        failed=dict(Counter(result.status.value for result in failures)),
        unlabelled=len(results) - len(labels),
        meta=read_meta(path),
    )


def same_files(runs: Sequence[CachedRun]) -> tuple[str, ...]:
    """The labelled files of all these runs.

    Raises:
        UsageError: they are not the same.
    """
    first = runs[0]
    for run in runs[1:]:
        if run.files != first.files:
            one = sorted(set(first.files) ^ set(run.files))
            raise UsageError(
                f"{first.name} and {run.name} have scores of different labelled files: "
                f"{first_few(one)} {'is' if len(one) == 1 else 'are'} in one of them alone",
                "run both on the same folder, or take these files out of the labels",
            )
    return first.files


def _frames(result: FileResult) -> FrameScores | None:
    return result.frame_scores() if result.status is Status.OK and result.frames else None


def thin(scores: FrameScores, frames: int | None) -> FrameScores:
    """At most `frames` of the scored frames, evenly spread, first and last among them."""
    return scores if frames is None else scores.take(sample_indices(len(scores), frames))


def aggregate_run(
    run: CachedRun,
    aggregator: BoundAggregator,
    temperature: float = 1.0,
    frames: int | None = None,
) -> tuple[FloatArray, int]:
    """Each file's p_fake, float64 (n,), and for how many the mean stood in for the aggregator.

    A file that failed has its failure label as p_fake.
    """
    p_fake, fallbacks = run.failure.copy(), 0
    for row, scores in enumerate(run.frames):
        if scores is not None:
            thinned = thin(scores, frames)
            tempered = FrameScores(
                temper(thinned.p_fake, temperature),
                thinned.times,
                thinned.boxes,
                thinned.detection,
            )
            p_fake[row], problem = aggregate(aggregator, tempered)
            fallbacks += bool(problem)
    return p_fake, fallbacks


def predict(run: CachedRun, p_fake: FloatArray, threshold: float) -> Predictions:
    """The labels that the pipeline would write, beside the true ones."""
    scored = np.array([scores is not None for scores in run.frames])
    predicted = np.array([label_for(p, threshold) for p in p_fake], dtype=np.int64)
    # The failure label holds at any threshold, 0 and 1 included.
    predicted[~scored] = run.failure[~scored].astype(np.int64)
    return Predictions(run.labels, predicted, p_fake, scored)
