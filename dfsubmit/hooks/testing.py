"""Functions for the tests of a plugin: what it registers, and the contract of an aggregator.

import my_plugin
from dfsubmit.hooks.testing import check_aggregator, registered_by

def test_my_rule():
    rule = registered_by(my_plugin).aggregators["my-rule"]
    check_aggregator(rule.function, rule.properties, rule.bounds)
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from dfsubmit.hooks.interfaces import PROPERTIES, Aggregator, Bounds
from dfsubmit.hooks.loading import PluginInfo, Plugins
from dfsubmit.records import FloatArray, FrameScores

_TOLERANCE = 1e-9


def registered_by(plugin: Any) -> Plugins:
    """What this plugin alone (a module or an object with hooks) registers.

    Raises:
        PluginError: it was written for another version of the hooks.
        Exception: a misspelt hook, a name registered twice, or any exception of the plugin.
    """
    plugins = Plugins()
    plugins.add(plugin, PluginInfo(str(getattr(plugin, "__name__", plugin)), "test"))
    return plugins


def check_aggregator(
    function: Aggregator,
    properties: Collection[str] = (),
    bounds: Bounds | None = None,
    **parameters: object,
) -> None:
    """Check an aggregator against its contract, on seeded samples of 1 to 64 frames.

    For every aggregator: the result is a finite number in [0, 1], also for a single frame, and the
    scores passed to it are unchanged. If declared:

    - "idempotent": frames of one probability give that probability;
    - "monotone": raising one frame's probability never lowers the result;
    - "order_independent": the order of the faces in time does not matter;
    - `bounds`: the final result is within the bounds, whatever the remaining frames contain.

    Args:
        function: ``aggregate(scores, **parameters) -> float``.
        properties: of `dfsubmit.hooks.interfaces.PROPERTIES`.
        bounds: as registered, or None.
        parameters: keyword parameters for `function` and `bounds`.

    Raises:
        AssertionError: a check failed; the message names the property and the frames.
        ValueError: an unknown property.
    """
    unknown = set(properties) - set(PROPERTIES)
    if unknown:
        raise ValueError(f"unknown properties {sorted(unknown)}; known: {', '.join(PROPERTIES)}")
    for scores in sample_scores():
        value = _checked_value(function, scores, parameters)
        if "idempotent" in properties:
            for p in (0.0, 0.3, float(scores.p_fake[0]), 1.0):
                same = dataclasses.replace(scores, p_fake=np.full(len(scores), p))
                result = _checked_value(function, same, parameters)
                _require(abs(result - p) <= _TOLERANCE, "not idempotent", same, result)
        if "monotone" in properties:
            for row in range(len(scores)):
                p_fake = scores.p_fake.copy()
                p_fake[row] += (1 - p_fake[row]) / 2
                raised = dataclasses.replace(scores, p_fake=p_fake)
                result = _checked_value(function, raised, parameters)
                _require(result >= value - _TOLERANCE, "not monotone", raised, result)
        if "order_independent" in properties:
            # The times stay sorted, as they always are; only the faces are permuted.
            order = np.random.default_rng(0).permutation(len(scores))
            shuffled = dataclasses.replace(scores.take(order), times=scores.times)
            result = _checked_value(function, shuffled, parameters)
            _require(abs(result - value) <= _TOLERANCE, "not order_independent", shuffled, result)
        if bounds is not None:
            _check_bounds(bounds, scores, value, parameters)


def sample_scores(seed: int = 0) -> Iterator[FrameScores]:
    """Frame scores to test an aggregator with: single frames and images, frames that agree and that
    differ widely, probabilities of exactly 0 and 1, ties, and unusable weights."""
    random = np.random.default_rng(seed)
    for p in (0.0, 0.2, 0.5, 0.87, 1.0):
        yield _frames(random, np.array([p]))
    for n in (2, 3, 5, 8, 40, 64):
        yield _frames(random, random.uniform(size=n))
        yield _frames(random, random.beta(0.2, 0.2, size=n))
        yield _frames(random, random.choice([0.0, 0.19, 0.5, 0.81, 1.0], size=n))
    nothing = _frames(random, random.uniform(size=6))
    yield dataclasses.replace(
        nothing, times=np.zeros(6), boxes=np.zeros((6, 4), np.int64), detection=np.zeros(6)
    )


def _frames(random: np.random.Generator, p_fake: FloatArray) -> FrameScores:
    n = len(p_fake)
    corner = random.integers(0, 400, size=(n, 2))
    size = random.integers(20, 400, size=(n, 1))
    return FrameScores(
        p_fake=p_fake.astype(np.float64),
        times=np.arange(n, dtype=np.float64) * 0.25,
        boxes=np.hstack([corner, corner + size]).astype(np.int64),
        detection=random.uniform(0.01, 3.0, size=n),
    )


def _checked_value(
    function: Aggregator, scores: FrameScores, parameters: dict[str, object]
) -> float:
    """The aggregate, after the checks that hold for every aggregator."""
    given = copy.deepcopy(scores)
    value = function(given, **parameters)
    for item in dataclasses.fields(FrameScores):
        before, after = getattr(scores, item.name), getattr(given, item.name)
        _require(np.array_equal(before, after), f"changes its input ({item.name})", scores, value)
    number = float(value)
    _require(math.isfinite(number), "not finite", scores, value)
    _require(-_TOLERANCE <= number <= 1 + _TOLERANCE, "not in [0, 1]", scores, value)
    return number


def _check_bounds(
    bounds: Bounds, scores: FrameScores, final: float, parameters: dict[str, object]
) -> None:
    """Check that the bounds after any number of frames contain the final value, and that they equal
    it when no frames remain."""
    for seen in range(len(scores) + 1):
        known, remaining = scores.take(np.arange(seen)), len(scores) - seen
        # Two more frames are asked for than will hold a face.
        for low, high in (
            bounds(known, remaining, **parameters),
            bounds(known, remaining + 2, **parameters),
        ):
            held = low - _TOLERANCE <= final <= high + _TOLERANCE
            _require(held, f"bounds {(low, high)} after {seen} frames miss it", scores, final)
    low, high = bounds(scores, 0, **parameters)
    _require(abs(high - low) <= _TOLERANCE, "bounds with no frame to come differ", scores, final)


def _require(holds: bool, broken: str, scores: FrameScores, value: object) -> None:
    if not holds:
        raise AssertionError(
            f"{broken}: {value!r} for p_fake {np.round(scores.p_fake, 4).tolist()}"
        )
