"""Aggregators side by side, on the cached frame scores of one or several runs.

In: `CachedRun`s of the same labelled files. Out: a `Comparison`: a row for each run, aggregator
and number of frames, with intervals, and each held against the mean on the same files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dfsubmit.console import progress_bar
from dfsubmit.errors import UsageError
from dfsubmit.evaluation.cached import CachedRun, aggregate_run, predict
from dfsubmit.evaluation.statistics.bootstrap import SAMPLES, bootstrap, interval, mcnemar
from dfsubmit.evaluation.statistics.folds import cross_validated
from dfsubmit.evaluation.statistics.threshold import best_threshold
from dfsubmit.hooks.interfaces import BoundAggregator
from dfsubmit.metrics import Predictions, point
from dfsubmit.records import LABEL_NAMES, IntArray

HEADLINES = ("macro_f1", "f1_fake", "accuracy", "auc")
"""The metrics that a comparison gives intervals for; the first one ranks."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """One aggregator on one run.

    Attributes:
        source: the run's name.
        aggregator: the canonical spec.
        frames: the most frames of a file that were used; None for all.
        threshold, temperature: that made the labels.
        metrics: every metric; NaN where undefined.
        intervals: 95 % intervals of `HEADLINES`.
        difference: macro F1 minus the reference's.
        difference_interval: of it, on the same bootstrap samples.
        mcnemar_p: exact p of the two label columns being equally often right.
        changed: files whose label differs from the reference's.
        best_threshold: with the best macro F1 on all these files: a suggestion, not judged here.
        cross_validated_f1: macro F1 with each fold's labels at the best threshold of the others;
            NaN where the files allow no two folds.
        fallbacks: files on which the aggregator failed and the mean stood in.
        predictions: what the figures were computed from.
    """

    source: str
    aggregator: str
    frames: int | None
    threshold: float
    temperature: float
    metrics: dict[str, float]
    intervals: dict[str, Interval]
    difference: float
    difference_interval: Interval
    mcnemar_p: float
    changed: int
    best_threshold: float
    cross_validated_f1: float
    fallbacks: int
    predictions: Predictions = field(repr=False)

    @property
    def direction(self) -> int:
        """1 better than the reference, -1 worse, 0 where the interval does not say."""
        low, high = self.difference_interval
        return (low > 0) - (high < 0)


@dataclass(frozen=True)
class Comparison:
    """The rows, best macro F1 first, and what they stand on.

    Attributes:
        rows: sorted by macro F1.
        reference: the row that all are compared with: the mean of the first run.
        runs: the runs compared.
        groups: how many groups the files form: what the bootstrap draws.
        samples: bootstrap samples.
    """

    rows: list[Row]
    reference: Row
    runs: list[CachedRun]
    groups: int
    samples: int

    @property
    def files(self) -> int:
        return len(self.runs[0].labels)

    def verdict(self, row: Row) -> str:
        """What may be said of a row against the reference, in words."""
        if row is self.reference:
            return "reference"
        if row.changed == 0:
            return "same labels"
        return {
            1: "better",
            -1: "worse",
            0: f"not distinguishable on {self.files} files",
        }[row.direction]


def compare(
    runs: Sequence[CachedRun],
    aggregators: Sequence[BoundAggregator],
    reference: BoundAggregator,
    groups: IntArray,
    frame_counts: Sequence[int | None] = (None,),
    threshold: float | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
    progress: bool = False,
) -> Comparison:
    """Compare every aggregator on every run at every number of frames.

    Args:
        runs: of the same labelled files, in the same order.
        aggregators: to compare; the reference is added where it is missing.
        reference: what to compare with, on the first run and the last number of frames.
        groups: int64 (n,), numbers from 0 up; files of a group are resampled together.
        frame_counts: numbers of frames to thin to; None for all cached frames.
        threshold: overrules the runs' own.
        samples, seed: of the bootstrap.
        progress: show progress bars on stderr.

    Raises:
        UsageError: the files are all real or all fake.
    """
    if len(set(runs[0].labels.tolist())) < 2:
        only = LABEL_NAMES[int(runs[0].labels[0])]
        raise UsageError(
            f"all labelled files are {only}: macro F1 and AUC are undefined",
            "label files of both classes",
        )
    specs = {aggregator.spec: aggregator for aggregator in [reference, *aggregators]}
    keys = [
        (run, frames, item) for frames in frame_counts for run in runs for item in specs.values()
    ]
    predictions: list[Predictions] = []
    fallbacks: list[int] = []
    bar = progress_bar(len(keys), "aggregates", progress)
    for run, frames, aggregator in keys:
        decision = run.decision(aggregator.spec, threshold)
        p_fake, fallen = aggregate_run(run, aggregator, decision.temperature, frames)
        predictions.append(predict(run, p_fake, decision.threshold))
        fallbacks.append(fallen)
        bar.update()
    bar.close()
    values = bootstrap(predictions, groups, HEADLINES, samples, seed, progress)
    base = keys.index((runs[0], frame_counts[-1], specs[reference.spec]))
    points = [point(item) for item in predictions]
    base_right = predictions[base].predicted == predictions[base].labels
    rows = []
    for number, (run, frames, aggregator) in enumerate(keys):
        prediction = predictions[number]
        assert prediction.p_fake is not None
        decision = run.decision(aggregator.spec, threshold)
        rows.append(
            Row(
                source=run.name,
                aggregator=aggregator.spec,
                frames=frames,
                threshold=decision.threshold,
                temperature=decision.temperature,
                metrics=points[number],
                intervals={name: interval(values[name][number]) for name in HEADLINES},
                difference=points[number]["macro_f1"] - points[base]["macro_f1"],
                difference_interval=interval(values["macro_f1"][number] - values["macro_f1"][base]),
                mcnemar_p=mcnemar(prediction.predicted == prediction.labels, base_right),
                changed=int((prediction.predicted != predictions[base].predicted).sum()),
                best_threshold=best_threshold(prediction.labels, prediction.p_fake),
                cross_validated_f1=_cross_validated_f1(prediction, groups),
                fallbacks=fallbacks[number],
                predictions=prediction,
            )
        )
    ranked = sorted(rows, key=lambda row: -row.metrics["macro_f1"])
    return Comparison(ranked, rows[base], list(runs), int(groups.max()) + 1, samples)


def _cross_validated_f1(own: Predictions, groups: IntArray) -> float:
    assert own.p_fake is not None
    try:
        predicted = cross_validated(own.labels, own.p_fake, groups)
    except UsageError:  # no two folds
        return math.nan
    # A threshold cannot move a file that failed.
    predicted = np.where(own.scored, predicted, own.predicted)
    judged = Predictions(own.labels, predicted, own.p_fake, own.scored)
    return point(judged, ["macro_f1"])["macro_f1"]
