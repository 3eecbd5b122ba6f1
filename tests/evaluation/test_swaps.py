"""The test that swaps labels group by group, against every swap tried one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from dfsubmit.evaluation.statistics.best import best_out_of_fold
from dfsubmit.evaluation.statistics.swaps import adjusted_p
from dfsubmit.metrics import Predictions, point
from dfsubmit.records import IntArray


def said(labels: IntArray, predicted: IntArray) -> Predictions:
    return Predictions(labels, predicted, None, np.zeros(len(labels), bool))


def macro_f1(labels: IntArray, predicted: IntArray) -> float:
    return float(f1_score(labels, predicted, average="macro"))


def by_every_swap(
    labels: IntArray, reference: IntArray, rules: Sequence[IntArray], groups: IntArray
) -> list[float]:
    """Westfall and Young's step-down p of each rule, as their algorithm 2.8 is written."""

    def differences(swapped: tuple[int, ...]) -> list[float]:
        swap = np.isin(groups, [g for g, yes in enumerate(swapped) if yes])
        return [
            abs(
                macro_f1(labels, np.where(swap, reference, rule))
                - macro_f1(labels, np.where(swap, rule, reference))
            )
            for rule in rules
        ]

    ways = list(itertools.product((0, 1), repeat=int(groups.max()) + 1))
    table = np.array([differences(way) for way in ways])
    table = table / np.sqrt((table**2).mean(axis=0))
    order = np.argsort(-table[0], kind="stable")
    p, before = [0.0] * len(rules), 0.0
    for place, rule in enumerate(order):
        rest = table[:, order[place:]].max(axis=1)
        before = max(before, float((rest >= table[0, rule] - 1e-9).mean()))
        p[rule] = before
    return p


@pytest.mark.parametrize("groups", [np.arange(8), np.array([0, 0, 1, 2, 2, 2, 3, 4])])
@pytest.mark.parametrize("seed", range(3))
def test_p_is_that_of_every_swap(groups: IntArray, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.arange(8) % 2
    reference, *rules = (np.where(random.uniform(size=8) < 0.6, labels, 1) for _ in range(4))
    found = adjusted_p(said(labels, reference), [said(labels, rule) for rule in rules], groups)
    assert found == pytest.approx(by_every_swap(labels, reference, rules, groups))


def test_four_labels_all_for_the_better_are_no_verdict() -> None:
    labels = np.arange(60) % 2
    reference = np.where(np.arange(60) < 10, 1 - labels, labels)
    better = np.where(np.arange(60) < 6, 1 - labels, labels)
    (p,) = adjusted_p(said(labels, reference), [said(labels, better)], np.arange(60))
    assert p == pytest.approx(binomtest(0, 4).pvalue)  # 0.125
    # Were the four files of one person, they would say less.
    groups = np.r_[np.arange(6), np.full(4, 6), np.arange(7, 57)]
    assert adjusted_p(said(labels, reference), [said(labels, better)], groups)[0] == 1


def test_drawn_swaps_come_near_the_exact_p() -> None:
    labels = np.arange(40) % 2
    reference = np.where(np.arange(40) < 12, 1 - labels, labels)
    better = np.where(np.isin(np.arange(40), [0, 1, 30]), 1 - labels, labels)
    pair = said(labels, reference), [said(labels, better)]
    exact = adjusted_p(*pair, np.arange(40), samples=2**11)[0]
    drawn = adjusted_p(*pair, np.arange(40), samples=2**11 - 1, seed=1)[0]
    assert exact == pytest.approx(binomtest(1, 11).pvalue)
    assert 0 < drawn == pytest.approx(exact, abs=0.01)


def test_a_rule_that_changes_nothing_costs_the_others_nothing() -> None:
    labels = np.arange(30) % 2
    good, bad = said(labels, labels), said(labels, np.where(np.arange(30) < 8, 1 - labels, labels))
    alone = adjusted_p(bad, [good], np.arange(30))
    assert adjusted_p(bad, [bad, good, bad], np.arange(30)).tolist() == [1, alone[0], 1]
    assert adjusted_p(bad, [bad], np.arange(30)).tolist() == [1]


def test_the_best_of_many_is_not_judged_by_the_files_that_chose_it() -> None:
    # Thirteen coins: the best looks better than one half, and out of fold it is not.
    random = np.random.default_rng(2)
    looked, judged = [], []
    for seed in range(40):
        labels = np.arange(40) % 2
        rules = [said(labels, random.integers(0, 2, 40)) for _ in range(13)]
        looked.append(max(point(rule, ["macro_f1"])["macro_f1"] for rule in rules))
        chosen = best_out_of_fold(rules, np.arange(40), seed)
        judged.append(point(chosen, ["macro_f1"])["macro_f1"])
    assert np.mean(looked) > 0.6
    assert 0.45 < np.mean(judged) < 0.53


def test_a_rule_that_is_truly_best_is_chosen_in_every_fold() -> None:
    labels = np.arange(30) % 2
    right, wrong = said(labels, labels), said(labels, 1 - labels)
    chosen = best_out_of_fold([wrong, right, wrong], np.arange(30))
    np.testing.assert_array_equal(chosen.predicted, labels)
