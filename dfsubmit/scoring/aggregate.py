"""Frame probabilities of one file → one probability of fake.

The mean is the core's own aggregator and everybody's fallback; others come from plugins through
`register_aggregators`. This module is itself such a plugin.
"""

from __future__ import annotations

import math

from dfsubmit.errors import in_brief
from dfsubmit.hooks import RegisterAggregator, hookimpl
from dfsubmit.hooks.interfaces import BoundAggregator
from dfsubmit.labels import FAKE, REAL
from dfsubmit.records import FrameScores

DFSUBMIT_HOOKS = 1
DEFAULT_AGGREGATOR = "mean"


def mean(scores: FrameScores) -> float:
    """The mean of the frames' probabilities of fake (the organiser's rule)."""
    return float(scores.p_fake.mean())


def mean_bounds(scores: FrameScores, remaining: int) -> tuple[float, float]:
    """What the mean can still become. A frame without a face leaves the mean alone, so the
    extremes are those of all remaining frames holding a face with probability 0, or 1."""
    total, seen = float(scores.p_fake.sum()), len(scores)
    if seen + remaining == 0:
        return 0.0, 1.0
    return total / (seen + remaining), (total + remaining) / (seen + remaining)


@hookimpl
def register_aggregators(register: RegisterAggregator) -> None:
    """The core's own aggregator."""
    register(
        DEFAULT_AGGREGATOR,
        mean,
        properties=("idempotent", "monotone", "order_independent"),
        bounds=mean_bounds,
    )


def aggregate(aggregator: BoundAggregator, scores: FrameScores) -> tuple[float, str]:
    """One file's probability of fake, in [0, 1], and why the mean had to stand in, if it had to.

    An aggregator that raises, or returns something that is no probability, costs nothing but
    itself: the mean answers instead, and the reason is returned beside it ("" when all went well).
    """
    try:
        value = float(aggregator(scores))
    except Exception as error:  # a plugin's mistake, whatever it is, must not end the run
        reason = in_brief(error, aggregator.registered.function)
        return mean(scores), f"{aggregator.spec}: {reason}"
    if not math.isfinite(value) or not -1e-9 <= value <= 1 + 1e-9:
        return mean(scores), f"{aggregator.spec}: returned {value!r}, not a probability"
    return min(max(value, 0.0), 1.0), ""


def label_for(p_fake: float, threshold: float = 0.5) -> int:
    """1 (fake) above the threshold, else 0: at 0.5 the same as an argmax over (real, fake)."""
    return FAKE if p_fake > threshold else REAL
