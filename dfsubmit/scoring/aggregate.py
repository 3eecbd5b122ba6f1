"""Frame probabilities of one file → one probability of fake.

The mean is the built-in aggregator, and the fallback if another one fails. Others come from plugins
through `register_aggregators`; this module is itself such a plugin.
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
    """The mean of the frames' probabilities of fake (the competition's rule)."""
    return float(scores.p_fake.mean())


def mean_bounds(scores: FrameScores, remaining: int) -> tuple[float, float]:
    """The range of the final mean. A frame without a face does not change the mean, so the
    extremes occur if all remaining frames have a face with probability 0, or 1."""
    total, seen = float(scores.p_fake.sum()), len(scores)
    if seen + remaining == 0:
        return 0.0, 1.0
    return total / (seen + remaining), (total + remaining) / (seen + remaining)


@hookimpl
def register_aggregators(register: RegisterAggregator) -> None:
    """Register the built-in aggregator."""
    register(
        DEFAULT_AGGREGATOR,
        mean,
        properties=("idempotent", "monotone", "order_independent"),
        bounds=mean_bounds,
    )


def aggregate(aggregator: BoundAggregator, scores: FrameScores) -> tuple[float, str]:
    """One file's probability of fake, in [0, 1], and the reason if the mean was used instead.

    If an aggregator raises, or returns a value that is not a probability, the mean is used, and the
    reason is returned with it ("" otherwise).
    """
    try:
        value = float(aggregator(scores))
    except Exception as error:  # no exception in a plugin may end the run
        reason = in_brief(error, aggregator.registered.function)
        return mean(scores), f"{aggregator.spec}: {reason}"
    if not math.isfinite(value) or not -1e-9 <= value <= 1 + 1e-9:
        return mean(scores), f"{aggregator.spec}: returned {value!r}, not a probability"
    return min(max(value, 0.0), 1.0), ""


def label_for(p_fake: float, threshold: float = 0.5) -> int:
    """1 (fake) above the threshold, else 0: at 0.5 the same as an argmax over (real, fake)."""
    return FAKE if p_fake > threshold else REAL
