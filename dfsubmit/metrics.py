"""Metrics of predictions against labels, for many weightings of the files at once.

In: `Predictions` of n files and weights (b, n). Out: each metric as an array (b,). Weights of one
are the plain metric; the bootstrap passes the counts of its samples. A metric that is undefined
(one class only, no probabilities) is NaN, never a number that looks like a result.

Definitions are scikit-learn's wherever it has the metric; the tests compare the two.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dfsubmit.labels import FAKE, REAL
from dfsubmit.records import FloatArray, IntArray

TITLES = {
    "macro_f1": "macro F1",
    "f1_fake": "F1 fake",
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced acc.",
    "auc": "AUC",
    "eer": "EER",
    "average_precision": "AP",
    "log_loss": "log loss",
    "brier": "Brier",
    "ece": "ECE",
}
"""Every metric with its short title. Lower is better for eer, log_loss, brier and ece."""

BY_LABEL = ("macro_f1", "f1_fake", "precision", "recall", "accuracy", "balanced_accuracy")
"""Of the predicted labels: all files, those that failed with their failure label."""
BY_RANK = ("auc", "eer", "average_precision")
"""Of the order of the scores: all files; one that failed scores its failure label, 0 or 1."""
BY_PROBABILITY = ("log_loss", "brier", "ece")
"""Of the probabilities: scored files alone, since a file that failed has none."""

ECE_BINS = 10


@dataclass(frozen=True)
class Predictions:
    """n files, their true labels and their predictions.

    Attributes:
        labels: int64 (n,), 0 real, 1 fake.
        predicted: int64 (n,), the labels given.
        p_fake: float64 (n,), in [0, 1]; the failure label where not `scored`. None when only
            labels are known.
        scored: bool (n,), whether the file has a probability of its own.
    """

    labels: IntArray
    predicted: IntArray
    p_fake: FloatArray | None
    scored: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: npt.NDArray[np.bool_]) -> Predictions:
        """The files that a boolean mask (n,) selects."""
        p_fake = None if self.p_fake is None else self.p_fake[rows]
        return Predictions(self.labels[rows], self.predicted[rows], p_fake, self.scored[rows])


def measure(
    predictions: Predictions,
    weights: npt.NDArray[np.float32] | None = None,
    names: Collection[str] = tuple(TITLES),
) -> dict[str, FloatArray]:
    """The named metrics, each float64 (b,).

    Args:
        predictions: of n ≥ 1 files.
        weights: float32 (b, n), ≥ 0; None for one row of ones.
        names: of `TITLES`.
    """
    if weights is None:
        weights = np.ones((1, len(predictions)), np.float32)
    values: dict[str, FloatArray] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        if not set(names).isdisjoint(BY_LABEL):
            values |= _by_label(predictions, weights)
        if not set(names).isdisjoint(BY_RANK):
            values |= _by_rank(predictions, weights)
        if not set(names).isdisjoint(BY_PROBABILITY):
            values |= _by_probability(predictions, weights)
    return {name: values[name] for name in names}


def point(predictions: Predictions, names: Collection[str] = tuple(TITLES)) -> dict[str, float]:
    """The named metrics of the files as they are; NaN where undefined."""
    return {name: float(value[0]) for name, value in measure(predictions, None, names).items()}


def _by_label(predictions: Predictions, weights: npt.NDArray[np.float32]) -> dict[str, FloatArray]:
    truth, said = predictions.labels == FAKE, predictions.predicted == FAKE
    cells = np.stack([truth & said, ~truth & said, truth & ~said, ~truth & ~said], axis=1)
    # float32 holds counts up to 2**24 exactly.
    return label_metrics((weights @ cells.astype(np.float32)).astype(np.float64))


def label_metrics(cells: FloatArray) -> dict[str, FloatArray]:
    """The metrics of `BY_LABEL`, each float64 (b,).

    Args:
        cells: float64 (b, 4), counts or shares ≥ 0: true positives, false positives, false
            negatives, true negatives.
    """
    tp, fp, fn, tn = cells.T
    both = (tp + fn > 0) & (fp + tn > 0)
    f1_fake, f1_real = _f1(tp, fp, fn), _f1(tn, fn, fp)
    # As in scikit-learn with zero_division=0: nothing called fake is a precision of 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(tp + fp > 0, tp / (tp + fp), 0.0)
        recall, specificity = tp / (tp + fn), tn / (tn + fp)
    return {
        "macro_f1": np.where(both, (f1_fake + f1_real) / 2, np.nan),
        "f1_fake": np.where(tp + fn > 0, f1_fake, np.nan),
        "precision": np.where(tp + fn > 0, precision, np.nan),
        "recall": recall,
        "accuracy": (tp + tn) / (tp + fp + fn + tn),
        # The mean recall of the classes that are there.
        "balanced_accuracy": np.where(
            both, (recall + specificity) / 2, np.where(tp + fn > 0, recall, specificity)
        ),
    }


def _f1(tp: FloatArray, fp: FloatArray, fn: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(tp > 0, 2 * tp / (2 * tp + fp + fn), 0.0))


def _by_rank(predictions: Predictions, weights: npt.NDArray[np.float32]) -> dict[str, FloatArray]:
    if predictions.p_fake is None:
        return dict.fromkeys(BY_RANK, np.full(len(weights), np.nan))
    tps, fps = cumulative_counts(predictions.labels, predictions.p_fake, weights)
    positives, negatives = tps[:, -1:], fps[:, -1:]
    recall, fallout = tps / positives, fps / negatives
    area = ((fps[:, 1:] - fps[:, :-1]) * (tps[:, 1:] + tps[:, :-1])).sum(axis=1) / 2
    total = tps[:, 1:] + fps[:, 1:]
    precision = np.where(total > 0, tps[:, 1:] / total, 0.0)
    undefined = (positives == 0)[:, 0] | (negatives == 0)[:, 0]
    values = {
        "auc": area / (positives * negatives)[:, 0],
        "eer": _eer(recall, fallout),
        "average_precision": ((recall[:, 1:] - recall[:, :-1]) * precision).sum(axis=1),
    }
    return {name: np.where(undefined, np.nan, value) for name, value in values.items()}


def cumulative_counts(
    labels: IntArray, p_fake: FloatArray, weights: npt.NDArray[np.float32]
) -> tuple[FloatArray, FloatArray]:
    """Weighted true and false positives as the threshold falls past each distinct score.

    Returns:
        Two float64 arrays (b, m + 1) for m distinct scores, descending; the first column is 0.
    """
    order = np.argsort(-p_fake, kind="stable")
    ranked = p_fake[order]
    last_of_ties = np.append(ranked[1:] != ranked[:-1], True)
    sorted_weights = weights[:, order]
    fake = labels[order] == FAKE
    counts = []
    for of_class in (fake, ~fake):
        running = np.cumsum(sorted_weights * of_class, axis=1, dtype=np.float64)[:, last_of_ties]
        # (np.pad takes longer than all the rest where there are few files)
        counts.append(np.concatenate([np.zeros((len(running), 1)), running], axis=1))
    return counts[0], counts[1]


def _eer(recall: FloatArray, fallout: FloatArray) -> FloatArray:
    """Where the ROC curve, its points joined by straight lines, has as many misses (1 - recall) as
    false alarms (fallout), as a rate."""
    gap = (1 - recall) - fallout  # from 1 down to -1
    right = np.argmax(gap <= 0, axis=1)
    rows = np.arange(len(gap))
    left = np.maximum(right - 1, 0)
    high, low = gap[rows, left], gap[rows, right]
    share = high / (high - low)
    start = fallout[rows, left]
    return np.asarray(start + share * (fallout[rows, right] - start))


def _by_probability(
    predictions: Predictions, weights: npt.NDArray[np.float32]
) -> dict[str, FloatArray]:
    scored = predictions.scored
    if predictions.p_fake is None or not scored.any():
        return dict.fromkeys(BY_PROBABILITY, np.full(len(weights), np.nan))
    p, y = predictions.p_fake[scored], predictions.labels[scored].astype(np.float64)
    weights = weights[:, scored]
    total = weights.sum(axis=1, dtype=np.float64)
    # scikit-learn's clip: the step of float64.
    step = np.finfo(np.float64).eps
    clipped = np.clip(p, step, 1 - step)
    surprise = -np.where(y == REAL, np.log1p(-clipped), np.log(clipped))
    columns = np.stack([surprise, (p - y) ** 2], axis=1)
    log_loss, brier = (weights @ columns).T / total
    # Naeini et al. 2015: in bins of equal width, |observed share of fakes - mean probability|.
    bins = np.minimum((p * ECE_BINS).astype(int), ECE_BINS - 1)
    errors = np.zeros((len(p), ECE_BINS))
    errors[np.arange(len(p)), bins] = y - p
    ece = np.abs(weights @ errors).sum(axis=1) / total
    return {"log_loss": log_loss, "brier": brier, "ece": ece}
