"""The mean, its bounds, and what happens when somebody else's aggregator fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from dfsubmit.hooks.interfaces import Aggregator, BoundAggregator, RegisteredAggregator
from dfsubmit.records import FrameScores
from dfsubmit.scoring.aggregate import aggregate, label_for, mean, mean_bounds


def bound(function: Aggregator) -> BoundAggregator:
    return BoundAggregator("rule", RegisteredAggregator("rule", function, "tests", frozenset()), {})


def test_the_mean_is_the_mean(make_scores: Callable[..., FrameScores]) -> None:
    assert mean(make_scores(0.25, 0.5, 1.0)) == pytest.approx(1.75 / 3)


def test_bounds_hold_every_end(make_scores: Callable[..., FrameScores]) -> None:
    seen = make_scores(0.25, 0.75)
    low, high = mean_bounds(seen, 3)
    assert (low, high) == pytest.approx((1 / 5, 4 / 5))
    random = np.random.default_rng(0)
    for faces in range(4):
        for _ in range(50):
            more = random.choice([0.0, 1.0, random.uniform()], size=faces)
            assert low - 1e-12 <= mean(make_scores(0.25, 0.75, *more)) <= high + 1e-12


def test_bounds_of_nothing_are_everything(make_scores: Callable[..., FrameScores]) -> None:
    assert mean_bounds(make_scores(), 0) == (0.0, 1.0)
    assert mean_bounds(make_scores(), 4) == (0.0, 1.0)
    assert mean_bounds(make_scores(0.3), 0) == (0.3, 0.3)


def test_a_good_value_is_taken_as_it_is(make_scores: Callable[..., FrameScores]) -> None:
    assert aggregate(bound(lambda scores: cast(float, np.float32(0.25))), make_scores(0.9)) == (
        0.25,
        "",
    )


@pytest.mark.parametrize(("value", "clipped"), [(1 + 1e-12, 1.0), (-1e-12, 0.0)])
def test_rounding_beyond_the_ends_is_clipped(
    make_scores: Callable[..., FrameScores], value: float, clipped: float
) -> None:
    assert aggregate(bound(lambda scores: value), make_scores(0.9)) == (clipped, "")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, -0.1, None, "high", []])
def test_what_is_no_probability_is_replaced_by_the_mean(
    make_scores: Callable[..., FrameScores], value: Any
) -> None:
    answer, reason = aggregate(bound(lambda scores: value), make_scores(0.25, 0.75))
    assert answer == 0.5
    assert reason.startswith("rule: ")


def test_an_aggregator_that_raises_is_replaced_by_the_mean(
    make_scores: Callable[..., FrameScores],
) -> None:
    def broken(scores: FrameScores) -> float:
        raise ZeroDivisionError("of course")

    answer, reason = aggregate(bound(broken), make_scores(0.25))
    assert answer == 0.25
    assert reason.startswith("rule: ZeroDivisionError: of course (test_aggregate.py, line ")


@pytest.mark.parametrize(
    ("p_fake", "threshold", "label"),
    [(0.5, 0.5, 0), (0.5 + 1e-12, 0.5, 1), (0.0, 0.0, 0), (0.3, 0.2, 1), (1.0, 1.0, 0)],
)
def test_fake_is_above_the_threshold(p_fake: float, threshold: float, label: int) -> None:
    assert label_for(p_fake, threshold) == label
