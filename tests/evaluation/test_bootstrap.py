"""Intervals that cover, and groups that stay together."""

from __future__ import annotations

import math

import numpy as np

from dfsubmit.evaluation.statistics.bootstrap import (
    bootstrap,
    interval,
    sample_weights,
)
from dfsubmit.metrics import Predictions


def coin(n: int, accuracy: float, seed: int) -> Predictions:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, n)
    right = random.uniform(size=n) < accuracy
    predicted = np.where(right, labels, 1 - labels)
    return Predictions(labels, predicted, None, np.zeros(n, bool))


def test_samples_have_the_size_of_the_data_and_the_number_asked_for() -> None:
    blocks = list(sample_weights(np.arange(7_000), samples=300, seed=1))
    assert len(blocks) == 2  # 300 x 7,000 weights are more than one block
    weights = np.concatenate(blocks)
    assert weights.shape == (300, 7_000)
    np.testing.assert_array_equal(weights.sum(axis=1), 7_000)
    assert 0.9 < weights.var() < 1.1  # Poisson-like counts of mean 1


def test_a_group_is_drawn_whole() -> None:
    groups = np.array([0, 0, 0, 1, 1, 2])
    (weights,) = sample_weights(groups, samples=50)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 3], weights[:, 4])
    np.testing.assert_array_equal(weights[:, [0, 3, 5]].sum(axis=1), 3)


def test_seeds_repeat() -> None:
    first, again, other = (
        np.concatenate(list(sample_weights(np.arange(20), 10, seed))) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_intervals_cover_the_true_accuracy_about_95_times_in_100() -> None:
    covered = 0
    for seed in range(200):
        item = coin(120, 0.7, seed)
        values = bootstrap([item], np.arange(120), ["accuracy"], samples=300, seed=seed)
        low, high = interval(values["accuracy"][0])
        covered += low <= 0.7 <= high
    assert 180 <= covered <= 199


def test_grouped_intervals_are_wider_when_groups_agree() -> None:
    labels = np.repeat(np.arange(20) % 2, 10)
    predicted = np.repeat(np.random.default_rng(0).integers(0, 2, 20), 10)
    item = Predictions(labels, predicted, None, np.zeros(200, bool))
    widths = []
    for groups in (np.arange(200), np.repeat(np.arange(20), 10)):
        low, high = interval(bootstrap([item], groups, ["accuracy"])["accuracy"][0])
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]


def test_rules_are_judged_on_the_same_samples() -> None:
    item = coin(50, 0.8, 0)
    values = bootstrap([item, item], np.arange(50), ["macro_f1"])["macro_f1"]
    np.testing.assert_array_equal(values[0], values[1])


def test_samples_without_one_class_are_left_out_of_the_interval() -> None:
    assert interval(np.array([math.nan, 0.4, 0.4])) == (0.4, 0.4)
    assert all(math.isnan(end) for end in interval(np.array([math.nan])))
