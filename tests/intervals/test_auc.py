"""The interval of AUC, against the published formulas written out as sums over pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t

from dfsubmit.intervals.auc import auc_interval
from dfsubmit.intervals.quantiles import t_quantile
from dfsubmit.metrics import Predictions
from dfsubmit.records import FloatArray, IntArray


def scored(labels: IntArray, p_fake: FloatArray) -> Predictions:
    return Predictions(labels, (p_fake > 0.5).astype(np.int64), p_fake, np.ones(len(labels), bool))


def by_pairs(labels: IntArray, p_fake: FloatArray, groups: IntArray) -> tuple[float, float, float]:
    """AUC, Obuchowski's variance of it, and Satterthwaite's degrees of freedom, by loops."""
    fakes = [row for row, label in enumerate(labels) if label == 1]
    reals = [row for row, label in enumerate(labels) if label == 0]

    def order(fake: int, real: int) -> float:
        return (float(np.sign(p_fake[fake] - p_fake[real])) + 1) / 2

    auc = sum(order(f, r) for f in fakes for r in reals) / (len(fakes) * len(reals))
    names = sorted(set(groups.tolist()))
    x, y = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for f in fakes:
        x[int(groups[f])] += sum(order(f, r) for r in reals) / len(reals) - auc
    for r in reals:
        y[int(groups[r])] += sum(order(f, r) for f in fakes) / len(fakes) - auc
    count = len(names)
    with_fake, with_real = len(set(groups[fakes])), len(set(groups[reals]))
    # In both sums over groups, half a group is added in which all agree.
    sums = []
    for rows, others, by_group in ((fakes, reals, x), (reals, fakes, y)):
        places = [
            sum(order(row, o) if others is reals else order(o, row) for o in others) / len(others)
            for row in rows
        ]
        told = {int(groups[row]) for row, place in zip(rows, places, strict=True) if place < 1}
        sizes = [sum(int(groups[row]) == name for row in rows) for name in names]
        worst = sum((place - auc) ** 2 for place in places) * sum(s * s for s in sizes) / len(rows)
        scatter = sum(v**2 for v in by_group.values())
        sums.append((len(told) * scatter + worst / 2) / (len(told) + 1 / 2))
    s10 = with_fake / ((with_fake - 1) * len(fakes)) * sums[0]
    s01 = with_real / ((with_real - 1) * len(reals)) * sums[1]
    s11 = count / (count - 1) * sum(x[g] * y[g] for g in names)
    a, b = s10 / len(fakes), s01 / len(reals)
    variance = a + b + 2 * s11 / (len(fakes) * len(reals))
    return auc, variance, (a + b) ** 2 / (a**2 / (with_fake - 1) + b**2 / (with_real - 1))


@pytest.mark.parametrize("files_of_a_group", [1, 3])
@pytest.mark.parametrize("digits", [1, 12])
def test_it_is_obuchowskis_on_the_logit(files_of_a_group: int, digits: int) -> None:
    random = np.random.default_rng(4)
    groups = np.repeat(np.arange(14), files_of_a_group)
    labels = random.integers(0, 2, len(groups))
    labels[:2] = 0, 1
    centre = 0.4 + 0.2 * labels + random.normal(0, 0.1, 14)[groups]
    p_fake = np.clip(random.normal(centre, 0.1), 0, 1).round(digits)
    auc, variance, freedom = by_pairs(labels, p_fake, groups)
    reach = t.ppf(0.975, freedom) * math.sqrt(variance) / (auc * (1 - auc))
    ends = [1 / (1 + math.exp(-(math.log(auc / (1 - auc)) + s * reach))) for s in (-1, 1)]
    assert auc_interval(scored(labels, p_fake), groups) == pytest.approx(ends, abs=1e-5)


def test_wholly_apart_the_lower_end_is_exact() -> None:
    labels = np.array([0] * 20 + [1] * 5)
    p_fake = np.arange(25) / 24
    low, high = auc_interval(scored(labels, p_fake), np.arange(25))
    assert high == 1
    # Five independent pairs are all in order with probability AUC**5.
    assert low**5 == pytest.approx(0.025)
    assert auc_interval(scored(labels, 1 - p_fake), np.arange(25)) == (0, 1 - low)
    # Five groups of five files: of them only two pairs of groups are independent.
    grouped, _ = auc_interval(scored(labels, p_fake), np.arange(25) % 5)
    assert grouped**2 == pytest.approx(0.025)


def test_undefined_is_nan() -> None:
    p_fake = np.array([0.1, 0.5, 0.2, 0.6])
    labels = np.array([0, 0, 1, 1])
    for item, groups in (
        (scored(np.ones(4, np.int64), p_fake), np.arange(4)),
        (Predictions(labels, labels, None, np.zeros(4, bool)), np.arange(4)),
    ):
        assert all(map(math.isnan, auc_interval(item, groups)))


def test_one_group_of_a_class_says_nothing() -> None:
    item = scored(np.array([0, 0, 1, 1]), np.array([0.1, 0.5, 0.2, 0.6]))
    assert auc_interval(item, np.array([0, 1, 2, 2])) == (0, 1)


@pytest.mark.parametrize("freedom", [1, 1.7, 2, 3, 9, 29.5, 1000, 1e6])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.996])
def test_t_quantiles(freedom: float, confidence: float) -> None:
    expected = t.ppf((1 + confidence) / 2, freedom)
    assert t_quantile(freedom, confidence) == pytest.approx(expected, rel=1e-4)
