"""Aggregators side by side, on the cached frame scores of one or several runs.

In: `CachedRun`s of the same labelled files. Out: a `Comparison`: a row for each run, aggregator
and number of frames, with intervals, each compared with the mean on the same files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dfsubmit.console import counted, progress_bar
from dfsubmit.errors import UsageError
from dfsubmit.evaluation.cached import CachedRun, aggregate_run, predict
from dfsubmit.evaluation.statistics.best import best_out_of_fold
from dfsubmit.evaluation.statistics.folds import cross_validated
from dfsubmit.evaluation.statistics.swaps import LEVEL, UNDECIDED, adjusted_p
from dfsubmit.evaluation.statistics.threshold import best_threshold
from dfsubmit.hooks.interfaces import BoundAggregator
from dfsubmit.intervals.labels import difference_interval, label_interval
from dfsubmit.intervals.metrics import intervals
from dfsubmit.intervals.quantiles import SAMPLES, UNKNOWN, Interval
from dfsubmit.labels import LABEL_NAMES
from dfsubmit.metrics import Predictions, point
from dfsubmit.records import IntArray

HEADLINES = ("macro_f1", "f1_fake", "accuracy", "auc")
"""The metrics that a comparison gives intervals for; the first one ranks."""


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
        difference_interval: of it, so wide that those of all rows together hold with 95 %; NaN ends
            for the reference.
        p: how often chance alone gives so large a difference, adjusted for the number of rows
            (`adjusted_p`); 1 for the reference.
        changed: files whose label differs from the reference's.
        best_threshold: with the best macro F1 on all these files: a suggestion, not judged here.
        cross_validated_f1: macro F1 with each fold's labels at the best threshold of the others;
            NaN where the files allow no two folds.
        fallbacks: files on which the aggregator failed and the mean stood in.
        in_sample: files that threshold and temperature were fitted on.
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
    p: float
    changed: int
    best_threshold: float
    cross_validated_f1: float
    fallbacks: int
    in_sample: int
    predictions: Predictions = field(repr=False)

    @property
    def direction(self) -> int:
        """1 better than the reference, -1 worse, 0 where p does not say."""
        return 0 if not self.p <= LEVEL else 1 if self.difference > 0 else -1


@dataclass(frozen=True)
class Choice:
    """The out-of-fold value of choosing the best row.

    Attributes:
        macro_f1: of labels by the row that was best on other folds (`best_out_of_fold`).
        interval: its 95 % interval.
        difference, difference_interval: minus the reference's macro F1.
    """

    macro_f1: float
    interval: Interval
    difference: float
    difference_interval: Interval


@dataclass(frozen=True)
class Comparison:
    """The rows, best macro F1 first, and their basis.

    Attributes:
        rows: sorted by macro F1.
        reference: the row that all are compared with: the mean of the first run.
        choice: of the best row; None where there is nothing to choose from, or no two folds.
        runs: the runs compared.
        groups: how many groups the files form.
        samples: random draws of intervals and tests.
    """

    rows: list[Row]
    reference: Row
    choice: Choice | None
    runs: list[CachedRun]
    groups: int
    samples: int

    @property
    def files(self) -> int:
        return len(self.runs[0].labels)

    def finding(self, row: Row) -> str:
        """The verdict on a row against the reference, in a word or two."""
        if row is self.reference:
            return "reference"
        if row.changed == 0:
            return "same labels"
        return {1: "better", -1: "worse", 0: UNDECIDED}[row.direction]

    def verdict(self, row: Row) -> str:
        """`finding`, with the number of files where it is open."""
        finding = self.finding(row)
        return f"{UNDECIDED} on {counted(self.files, 'file')}" if finding == UNDECIDED else finding


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
        groups: int64 (n,), numbers from 0 up; files of a group stand together.
        frame_counts: numbers of frames to thin to; None for all cached frames.
        threshold: overrules the runs' own.
        samples, seed: of the random draws.
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
    base = keys.index((runs[0], frame_counts[-1], specs[reference.spec]))
    points = [point(item) for item in predictions]
    p = adjusted_p(predictions[base], predictions, groups, samples, seed)
    rows = []
    bar = progress_bar(len(keys), "intervals", progress)
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
                intervals=intervals(prediction, groups, HEADLINES, samples, seed),
                difference=points[number]["macro_f1"] - points[base]["macro_f1"],
                difference_interval=UNKNOWN
                if number == base
                else difference_interval(
                    prediction, predictions[base], groups, "macro_f1", len(keys) - 1, samples, seed
                ),
                p=float(p[number]),
                changed=int((prediction.predicted != predictions[base].predicted).sum()),
                best_threshold=best_threshold(prediction.labels, prediction.p_fake),
                cross_validated_f1=_cross_validated_f1(prediction, groups),
                fallbacks=fallbacks[number],
                in_sample=decision.fitted_among(run.files),
                predictions=prediction,
            )
        )
        bar.update()
    bar.close()
    ranked = sorted(rows, key=lambda row: -row.metrics["macro_f1"])
    choice = _choice(predictions[base], predictions, groups, samples, seed)
    return Comparison(ranked, rows[base], choice, list(runs), len(np.unique(groups)), samples)


def _choice(
    reference: Predictions,
    rules: Sequence[Predictions],
    groups: IntArray,
    samples: int,
    seed: int,
) -> Choice | None:
    if len(rules) < 2:
        return None
    try:
        # Of equally good rules the reference is taken: it stands first.
        chosen = best_out_of_fold([reference, *rules], groups, seed)
    except UsageError:  # no two folds
        return None
    own, plain = (point(item, ["macro_f1"])["macro_f1"] for item in (chosen, reference))
    return Choice(
        macro_f1=own,
        interval=label_interval(chosen, groups, "macro_f1", samples, seed),
        difference=own - plain,
        difference_interval=difference_interval(
            chosen, reference, groups, samples=samples, seed=seed
        ),
    )


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
