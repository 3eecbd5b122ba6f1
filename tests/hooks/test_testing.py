"""`check_aggregator` passes what keeps the contract and names what breaks it."""

from __future__ import annotations

import pytest

from dfsubmit.errors import PluginError
from dfsubmit.hooks import Aggregator, Bounds, FrameScores, RegisterAggregator, hookimpl
from dfsubmit.hooks.interfaces import PROPERTIES
from dfsubmit.hooks.testing import check_aggregator, registered_by
from dfsubmit.scoring import aggregate
from dfsubmit.scoring.aggregate import mean, mean_bounds


def test_the_mean_passes_with_everything_declared() -> None:
    check_aggregator(mean, PROPERTIES, mean_bounds)


def _writes(scores: FrameScores) -> float:
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
def test_a_broken_promise_is_named(
    function: Aggregator, properties: tuple[str, ...], broken: str
) -> None:
    with pytest.raises(AssertionError, match=broken):
        check_aggregator(function, properties)


def test_a_rule_that_needs_two_frames_is_found_out() -> None:
    with pytest.raises(IndexError):
        check_aggregator(lambda scores: float(scores.p_fake[1]))


def test_undeclared_properties_are_not_asked_for() -> None:
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
def test_wrong_bounds_are_found_out(bounds: Bounds) -> None:
    with pytest.raises(AssertionError, match="bounds"):
        check_aggregator(mean, bounds=bounds)


def test_unknown_properties_are_refused() -> None:
    with pytest.raises(ValueError, match="commutative"):
        check_aggregator(mean, ("commutative",))


def test_a_plugin_is_registered_alone() -> None:
    plugins = registered_by(aggregate)
    assert list(plugins.aggregators) == ["mean"]
    assert plugins.aggregators["mean"].plugin == "dfsubmit.scoring.aggregate"
    assert not plugins.loaders
    assert plugins.aggregator("mean").registered.function is mean


class _Hooks:
    """A plugin that is an object and no module."""

    DFSUBMIT_HOOKS = 1

    @hookimpl
    def register_aggregators(self, register: RegisterAggregator) -> None:
        register("half", lambda scores: 0.5)


def test_an_object_is_a_plugin_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "half" in registered_by(_Hooks()).aggregators
    monkeypatch.setattr(_Hooks, "DFSUBMIT_HOOKS", 3)
    with pytest.raises(PluginError, match="version 3 of the hooks"):
        registered_by(_Hooks())
