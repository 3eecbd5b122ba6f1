"""`check_aggregator` passes what keeps the contract and names what breaks it."""

from __future__ import annotations

import pytest

from dfsubmit.hooks.interfaces import PROPERTIES
from dfsubmit.hooks.testing import check_aggregator
from dfsubmit.scoring.aggregate import mean, mean_bounds


def test_the_mean_passes_with_everything_declared():
    check_aggregator(mean, PROPERTIES, mean_bounds)


def _writes(scores):
    scores.p_fake.sort()
    return float(scores.p_fake.mean())


@pytest.mark.parametrize(
    ("function", "properties", "broken"),
    [
        (lambda scores: float("nan"), (), "not finite"),
        (lambda scores: float("inf"), (), "not finite"),
        (lambda scores: 1.5, (), r"not in \[0, 1\]"),
        (lambda scores: -0.1, (), r"not in \[0, 1\]"),
        (_writes, (), r"changes its input \(p_fake\)"),
        (lambda scores: 0.5, ("idempotent",), "not idempotent"),
        (lambda scores: 1 - scores.p_fake.mean(), ("monotone",), "not monotone"),
        (lambda scores: scores.p_fake[0], ("order_independent",), "not order_independent"),
    ],
)
def test_a_broken_promise_is_named(function, properties, broken):
    with pytest.raises(AssertionError, match=broken):
        check_aggregator(function, properties)


def test_a_rule_that_needs_two_frames_is_found_out():
    with pytest.raises(IndexError):
        check_aggregator(lambda scores: float(scores.p_fake[1]))


def test_undeclared_properties_are_not_asked_for():
    check_aggregator(lambda scores: scores.p_fake[0])


@pytest.mark.parametrize(
    "bounds",
    [
        lambda scores, remaining: (0.0, 1.0),  # true, but never settles
        lambda scores, remaining: (scores.p_fake.sum(), scores.p_fake.sum()),
        # forgets that a remaining frame may hold a face that is real
        lambda scores, remaining: (mean(scores) if len(scores) else 0.0, 1.0),
    ],
)
def test_wrong_bounds_are_found_out(bounds):
    with pytest.raises(AssertionError, match="bounds"):
        check_aggregator(mean, bounds=bounds)


def test_unknown_properties_are_refused():
    with pytest.raises(ValueError, match="commutative"):
        check_aggregator(mean, ("commutative",))
