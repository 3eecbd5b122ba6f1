"""Temperature and threshold for a model, fitted on labelled files and evaluated out of fold.

In: a `CachedRun`. Out: a `Calibration`: the `Decision` fitted on all files, and the cross-validated
metrics of the same procedure, beside those of the plain decision. For the gain's interval, the fit
is repeated on every bootstrap sample, because the fit also depends on the choice of labelled files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dfsubmit.console import progress_bar
from dfsubmit.errors import UsageError
from dfsubmit.evaluation.cached import CachedRun, aggregate_run, predict
from dfsubmit.evaluation.statistics.bootstrap import SAMPLES, interval, sample_weights
from dfsubmit.evaluation.statistics.folds import fold_count, folds, out_of_fold
from dfsubmit.evaluation.statistics.threshold import best_threshold
from dfsubmit.hooks.interfaces import BoundAggregator
from dfsubmit.metrics import Predictions, measure, point
from dfsubmit.records import FloatArray, IntArray
from dfsubmit.scoring.decision import Decision, hash_names

JUDGED_BY = ("macro_f1", "f1_fake", "accuracy", "log_loss", "brier", "ece")
TEMPERATURES = 2.0 ** np.linspace(-4, 4, 65)
"""The temperatures tried: 8 for each doubling, 1 among them."""


@dataclass(frozen=True)
class Calibration:
    """A fitted decision and its worth.

    Attributes:
        decision: fitted on all files.
        before: metrics of `JUDGED_BY` at temperature 1 and threshold 0.5.
        after: the same out of fold: each file judged by values fitted without its fold.
        gain: macro F1 after minus before.
        gain_interval: its 95 % interval, from the same procedure on every bootstrap sample.
        files, folds: counts.
    """

    decision: Decision
    before: dict[str, float]
    after: dict[str, float]
    gain: float
    gain_interval: tuple[float, float]
    files: int
    folds: int

    @property
    def gains(self) -> bool:
        """Whether the gain is larger than chance explains."""
        return self.gain_interval[0] > 0


def calibrate(
    run: CachedRun,
    aggregator: BoundAggregator,
    groups: IntArray,
    seed: int = 0,
    progress: bool = False,
) -> Calibration:
    """Fit the temperature (for log loss) and, at it, the threshold (for macro F1).

    Args:
        run: the labelled scores.
        aggregator: that the decision will hold for.
        groups: int64 (n,), numbers from 0 up; files of a group stay in one fold.
        seed: of folds and bootstrap.
        progress: show progress bars on stderr.

    Raises:
        UsageError: there are not two groups of each class with a score.
    """
    scored = np.array([scores is not None for scores in run.frames])
    if len(set(run.labels[scored].tolist())) < 2:
        raise UsageError("calibration needs scored files of both classes")
    # Every temperature's aggregates, once: each fold then only looks them up.
    bar = progress_bar(len(TEMPERATURES), "temperatures", progress)
    aggregates = []
    for temperature in TEMPERATURES:
        aggregates.append(aggregate_run(run, aggregator, float(temperature))[0])
        bar.update()
    bar.close()
    p_fake = np.stack(aggregates)
    # What failed keeps its failure label, and teaches nothing.
    labels, p_scored = run.labels[scored], p_fake[:, scored]
    surprise = _surprise(labels, p_scored)
    numbers = np.unique(groups[scored], return_inverse=True)[1].astype(np.int64)

    def judge(rows: npt.NDArray[np.bool_]) -> FloatArray:
        place, threshold = _fit(labels, p_scored, surprise, rows)
        return np.stack([p_scored[place], p_scored[place] > threshold])

    plain = predict(run, p_fake[_unit()], 0.5)
    tuned_p, tuned = p_fake[_unit()].copy(), plain.predicted.copy()
    tuned_p[scored], tuned[scored] = out_of_fold(labels, numbers, judge, seed)
    after = Predictions(run.labels, tuned, tuned_p, scored)
    everything = np.ones(len(labels), dtype=bool)
    best, threshold = _fit(labels, p_scored, surprise, everything)
    count = fold_count(labels, numbers)
    fold = np.full(len(run.labels), -1)
    fold[scored] = folds(labels, numbers, count, seed)
    gains = _refitted_gains(plain, p_fake, fold, groups, seed, progress)
    before_metrics, after_metrics = point(plain, JUDGED_BY), point(after, JUDGED_BY)
    return Calibration(
        decision=Decision(
            aggregator.spec,
            temperature=float(TEMPERATURES[best]),
            threshold=threshold,
            fitted_on={
                "files": int(scored.sum()),
                "folds": count,
                "names": hash_names(np.array(run.files, dtype=object)[scored]),
                "macro_f1_before": before_metrics["macro_f1"],
                "macro_f1_after_out_of_fold": after_metrics["macro_f1"],
            },
        ),
        before=before_metrics,
        after=after_metrics,
        gain=after_metrics["macro_f1"] - before_metrics["macro_f1"],
        gain_interval=interval(gains),
        files=int(scored.sum()),
        folds=count,
    )


def _refitted_gains(
    plain: Predictions,
    p_fake: FloatArray,
    fold: IntArray,
    groups: IntArray,
    seed: int,
    progress: bool,
) -> FloatArray:
    """The gain in macro F1 of each bootstrap sample, fitted anew on it and judged out of fold.

    A group that a sample holds twice is in one fold both times, so nothing that was fitted on it
    judges it.

    Args:
        plain: at temperature 1 and threshold 0.5.
        p_fake: float64 (temperatures, n).
        fold: int64 (n,); -1 for files that failed, which keep their failure label.
        groups: int64 (n,): what is drawn.

    Returns:
        float64 (`SAMPLES`,); NaN where a sample lacks a class.
    """
    surprise = _surprise(plain.labels, p_fake)
    everyone = np.arange(len(fold))
    gains: list[FloatArray] = []
    bar = progress_bar(SAMPLES, "refitted samples", progress)
    for block in sample_weights(groups, SAMPLES, seed):
        tuned = np.tile(plain.predicted, (len(block), 1))
        for held_out in range(int(fold.max()) + 1):
            inside = fold == held_out
            learning = block * ((fold >= 0) & ~inside)
            places = _best_temperatures(learning @ surprise.T)
            for sample, place in enumerate(places):
                rows = np.repeat(everyone, learning[sample].astype(np.int64))
                if 0 < plain.labels[rows].sum() < len(rows):
                    threshold = best_threshold(plain.labels[rows], p_fake[place][rows])
                    tuned[sample, inside] = p_fake[place][inside] > threshold
        before = measure(plain, block, ["macro_f1"])["macro_f1"]
        after = [
            measure(Predictions(plain.labels, said, None, fold >= 0), weights[None], ["macro_f1"])
            for said, weights in zip(tuned, block, strict=True)
        ]
        gains.append(np.concatenate([value["macro_f1"] for value in after]) - before)
        bar.update(len(block))
    bar.close()
    return np.concatenate(gains)


def _unit() -> int:
    """The place of temperature 1."""
    return len(TEMPERATURES) // 2


def _surprise(labels: IntArray, p_fake: FloatArray) -> FloatArray:
    """Log loss of each file at each temperature, (temperatures, n); certain errors cost no more
    than a probability of 1e-6 would, so that one file cannot decide alone."""
    of_truth = np.where(labels == 1, p_fake, 1 - p_fake)
    return np.asarray(-np.log(np.maximum(of_truth, 1e-6)))


def _fit(
    labels: IntArray, p_fake: FloatArray, surprise: FloatArray, rows: npt.NDArray[np.bool_]
) -> tuple[int, float]:
    """The best temperature's place, and the best threshold at it, on the given rows."""
    best = int(_best_temperatures(surprise[:, rows].mean(axis=1)[None])[0])
    return best, best_threshold(labels[rows], p_fake[best][rows])


def _best_temperatures(losses: FloatArray) -> IntArray:
    """The place of the lowest loss in each row of (b, temperatures); of equal losses (an aggregate
    that no temperature moves) the one nearest to temperature 1."""
    equal = losses <= losses.min(axis=1, keepdims=True) * (1 + 1e-12)
    distance = np.abs(np.arange(losses.shape[1]) - _unit())
    ranked = np.where(equal, distance, len(TEMPERATURES))
    return np.asarray(ranked.argmin(axis=1), dtype=np.int64)
