"""The best threshold is the best, and is never judged on the files that chose it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from dfsubmit.errors import UsageError
from dfsubmit.evaluation.statistics.folds import (
    cross_validated,
    fold_count,
    folds,
    out_of_fold,
)
from dfsubmit.evaluation.statistics.threshold import best_threshold
from dfsubmit.metrics import Predictions, point
from dfsubmit.records import FloatArray, IntArray


def macro_f1(labels: IntArray, p_fake: FloatArray, threshold: float) -> float:
    predicted = (p_fake > threshold).astype(int)
    said = Predictions(labels, predicted, p_fake, np.ones(len(labels), bool))
    return point(said, ["macro_f1"])["macro_f1"]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("digits", [1, 12])
def test_no_threshold_is_better(seed: int, digits: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, 60)
    labels[:2] = 0, 1
    p: FloatArray = np.clip(random.normal(0.3 + 0.3 * labels, 0.25), 0, 1).round(digits)
    found = best_threshold(labels, p)
    assert 0 <= found <= 1
    others = [macro_f1(labels, p, t) for t in np.linspace(0, 1, 2001)]
    assert macro_f1(labels, p, found) >= max(others) - 1e-12


def test_of_equally_good_thresholds_the_one_nearest_a_half() -> None:
    labels, p = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    assert best_threshold(labels, p) == 0.5


def test_scores_of_exactly_zero_are_never_fake() -> None:
    labels, p = np.array([1, 1, 0]), np.array([0.0, 0.0, 0.0])
    assert macro_f1(labels, p, best_threshold(labels, p)) == macro_f1(labels, p, 0.0)


def test_neighbouring_floats_are_told_apart() -> None:
    low = 0.3
    labels, p = np.array([0, 1]), np.array([low, np.nextafter(low, 1)])
    assert macro_f1(labels, p, best_threshold(labels, p)) == 1


def test_folds_keep_groups_together_and_classes_even() -> None:
    random = np.random.default_rng(0)
    groups = np.sort(random.integers(0, 60, 400))
    groups = np.unique(groups, return_inverse=True)[1]
    labels = random.integers(0, 2, 400)
    fold = folds(labels, groups, 5)
    for group in range(groups.max() + 1):
        assert len(set(fold[groups == group])) == 1
    for label in (0, 1):
        counts = np.bincount(fold[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 12


def test_there_are_no_more_folds_than_groups_of_a_class() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert fold_count(labels, np.arange(6)) == 3
    assert fold_count(labels, np.array([0, 1, 2, 3, 3, 3])) == 1
    with pytest.raises(UsageError, match="two groups"):
        cross_validated(labels, np.arange(6) / 5, np.array([0, 1, 2, 3, 3, 3]))


def test_nobody_is_judged_by_what_was_fitted_on_him() -> None:
    labels, groups = np.tile([0, 1], 10), np.repeat(np.arange(10), 2)
    fitted: list[npt.NDArray[np.bool_]] = []

    def judge(rows: npt.NDArray[np.bool_]) -> FloatArray:
        fitted.append(rows)
        return np.stack([rows, np.full(20, len(fitted))])

    used, fold = out_of_fold(labels, groups, judge, seed=1)
    assert not used.any()
    assert len(fitted) == 5
    assert all(len(set(fold[groups == group])) == 1 for group in range(10))


def test_labels_come_from_thresholds_of_other_folds() -> None:
    # Pure noise: a threshold chosen on the same files looks better than chance, out of fold not.
    random = np.random.default_rng(5)
    inside, outside = [], []
    for _ in range(40):
        labels, p = random.integers(0, 2, 40), random.uniform(size=40)
        labels[:2] = 0, 1
        inside.append(macro_f1(labels, p, best_threshold(labels, p)))
        predicted = cross_validated(labels, p, np.arange(40))
        outside.append(point(Predictions(labels, predicted, p, np.ones(40, bool)))["macro_f1"])
    assert np.mean(inside) > 0.55
    assert np.mean(outside) < 0.5


def test_a_shifted_scale_is_found() -> None:
    random = np.random.default_rng(6)
    labels = random.integers(0, 2, 200)
    p = np.clip(0.1 + 0.1 * labels + random.normal(0, 0.01, 200), 0, 1)
    predicted = cross_validated(labels, p, np.arange(200))
    assert (predicted == labels).mean() > 0.99
