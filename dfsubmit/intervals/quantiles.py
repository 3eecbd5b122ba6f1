"""Quantiles: of random draws, and of Student's t distribution."""

from __future__ import annotations

import math

import numpy as np

from dfsubmit.records import FloatArray

Interval = tuple[float, float]
UNKNOWN: Interval = (math.nan, math.nan)

SAMPLES = 10_000
"""Random draws of an interval."""
CONFIDENCE = 0.95


def central(values: FloatArray, value: float, confidence: float = CONFIDENCE) -> Interval:
    """The central part of the draws, the value itself included."""
    if math.isnan(value) or np.isnan(values).any():
        return UNKNOWN
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return min(float(low), value), max(float(high), value)


def t_quantile(freedom: float, confidence: float = CONFIDENCE) -> float:
    """The t such that Student's distribution has `confidence` between -t and t.

    With t = sqrt(freedom) tan(a) the density is proportional to cos(a)**(freedom - 1) on
    (-pi/2, pi/2), which is summed here by the trapezoidal rule (error below 1e-5).

    Args:
        freedom: degrees of freedom, ≥ 1, not necessarily whole.
    """
    # Where the distribution is narrow, most of the steps lie where it is.
    end = min(math.pi / 2, 40 / math.sqrt(freedom))
    angles = np.linspace(0, end, 20_001)
    density = np.cos(angles) ** (freedom - 1)
    mass = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return math.sqrt(freedom) * math.tan(float(np.interp(confidence, mass / mass[-1], angles)))
