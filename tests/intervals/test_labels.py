"""Intervals of the metrics of labels, against distributions of scipy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta, dirichlet, norm, t
from sklearn.metrics import f1_score

from dfsubmit.intervals.groups import few_groups, group_numbers
from dfsubmit.intervals.labels import cell_draws, difference_interval, label_interval
from dfsubmit.metrics import BY_LABEL, Predictions
from dfsubmit.records import FloatArray, IntArray


def said(labels: IntArray, predicted: IntArray) -> Predictions:
    return Predictions(labels, predicted, None, np.zeros(len(labels), bool))


def of_counts(tp: int, fp: int, fn: int, tn: int) -> Predictions:
    counts = [tp, fp, fn, tn]
    return said(np.repeat([1, 0, 1, 0], counts), np.repeat([1, 1, 0, 0], counts))


@pytest.mark.parametrize("counts", [(20, 3, 5, 29), (10, 0, 0, 10), (2, 1, 0, 27)])
def test_rates_have_their_beta_quantiles(counts: tuple[int, int, int, int]) -> None:
    tp, fp, fn, tn = counts
    item = of_counts(*counts)
    expected = {
        "recall": (tp + 0.5, fn + 0.5, tp / (tp + fn)),
        "precision": (tp + 0.5, fp + 0.5, tp / (tp + fp)),
        "accuracy": (tp + tn + 1, fp + fn + 1, (tp + tn) / sum(counts)),
    }
    for name, (a, b, value) in expected.items():
        low, high = beta.ppf([0.025, 0.975], a, b)
        found = label_interval(item, np.arange(len(item)), name, samples=100_000)
        assert found == pytest.approx((min(low, value), max(high, value)), abs=0.003)


def test_macro_f1_is_scikit_learns_over_the_dirichlet() -> None:
    draws = dirichlet([20.5, 3.5, 5.5, 29.5], seed=1).rvs(4000)
    values = [
        f1_score([1, 0, 1, 0], [1, 1, 0, 0], average="macro", sample_weight=draw)
        for draw in draws[:4000:4]
    ]
    low, high = label_interval(of_counts(20, 3, 5, 29), np.arange(57), samples=50_000)
    assert (low, high) == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.02)


def test_groups_that_agree_weigh_as_one_file_with_a_t_quantile() -> None:
    # 12 groups of 5, each wholly right or wholly wrong: what independent files there are is 12.
    groups = np.repeat(np.arange(12), 5)
    labels = groups % 2
    right = groups >= 4
    item = said(labels, np.where(right, labels, 1 - labels))
    effect = 5 * 12 / 11 * (t.ppf(0.975, 11) / norm.ppf(0.975)) ** 2
    low, high = label_interval(item, groups, "accuracy", samples=100_000)
    # The effect is taken at the smoothed counts, 42/64, where the right ones are not quite centred.
    assert (low, high) == pytest.approx(
        beta.ppf([0.025, 0.975], 40 / effect + 1, 20 / effect + 1), abs=0.01
    )


def test_cells_are_shares_and_a_class_without_files_has_none() -> None:
    draws = cell_draws(of_counts(7, 0, 3, 0), np.arange(10), "recall", samples=500)
    assert draws.shape == (500, 4)
    assert draws.sum(axis=1) == pytest.approx(np.ones(500))
    assert not draws[:, [1, 3]].any()


@pytest.mark.parametrize("name", BY_LABEL)
@pytest.mark.parametrize("groups", [np.arange(20), np.repeat(np.arange(5), 4)])
@pytest.mark.parametrize("wrong", [0, 1, 20])
def test_no_interval_is_without_width(name: str, groups: IntArray, wrong: int) -> None:
    labels = np.arange(20) % 2
    predicted = np.where(np.arange(20) < wrong, 1 - labels, labels)
    item = said(labels, predicted)
    low, high = label_interval(item, groups, name, samples=2000)
    assert 0 <= low < high <= 1
    assert high - low > 0.02
    low, high = difference_interval(item, item, groups, name, samples=2000)
    assert low < 0 < high


def test_undefined_is_nan() -> None:
    fakes = of_counts(7, 0, 3, 0)
    assert all(map(math.isnan, label_interval(fakes, np.arange(10), "macro_f1")))
    low, high = label_interval(fakes, np.arange(10), "recall")
    assert low < 0.7 < high


def test_one_group_says_nothing() -> None:
    low, high = label_interval(of_counts(9, 0, 0, 9), np.zeros(18, np.int64))
    assert low < 0.1
    assert high == 1


def test_a_difference_is_that_of_the_joint_cells() -> None:
    random = np.random.default_rng(3)
    labels = np.arange(80) % 2
    first = np.where(random.uniform(size=80) < 0.9, labels, 1 - labels)
    second = np.where(random.uniform(size=80) < 0.7, labels, 1 - labels)
    cells = [(y, a, b) for y in (0, 1) for a in (0, 1) for b in (0, 1)]
    rows = list(zip(labels.tolist(), first.tolist(), second.tolist(), strict=True))
    counts = np.array([rows.count(cell) for cell in cells])
    draws = dirichlet(counts + 0.25, seed=1).rvs(50_000)

    def macro(which: int) -> FloatArray:
        of = {
            (y, p): draws[:, [c[0] == y and c[which] == p for c in cells]].sum(axis=1)
            for y in (0, 1)
            for p in (0, 1)
        }
        errors = of[0, 1] + of[1, 0]
        f1 = [2 * of[y, y] / (2 * of[y, y] + errors) for y in (0, 1)]
        return np.asarray((f1[0] + f1[1]) / 2)

    difference = macro(1) - macro(2)
    one, two = said(labels, first), said(labels, second)
    for comparisons in (1, 12):
        tail = 0.025 / comparisons
        found = difference_interval(one, two, np.arange(80), "macro_f1", comparisons, 50_000)
        assert found == pytest.approx(np.quantile(difference, [tail, 1 - tail]), abs=0.01)


def test_groups_are_numbered_and_lone_files_stand_alone() -> None:
    np.testing.assert_array_equal(group_numbers(["a", "", "b", "a", ""]), [0, 1, 2, 0, 3])


def test_below_ten_groups_a_word_is_said() -> None:
    assert few_groups(9) == "too few groups (9)"
    assert few_groups(10) == ""
