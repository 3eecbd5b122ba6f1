"""Samples of files: groups that stay together, and the interval over samples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dfsubmit.evaluation.statistics.bootstrap import (
    interval,
    sample_weights,
)


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


def test_the_interval_is_the_central_95_percent() -> None:
    assert interval(np.arange(1001) / 1000) == pytest.approx((0.025, 0.975))


def test_samples_without_one_class_are_left_out_of_the_interval() -> None:
    assert interval(np.array([math.nan, 0.4, 0.4])) == (0.4, 0.4)
    assert all(math.isnan(end) for end in interval(np.array([math.nan])))
