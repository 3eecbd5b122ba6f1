"""Bounds on a further value, given earlier ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from dfsubmit.records import FloatArray

_HALVINGS = 40


def conformal_bound(values: FloatArray, alpha: float) -> float:
    """The bound that a further exchangeable value exceeds with probability `alpha` at most.

    Args:
        values: float64 (n,), n ≥ 1.
        alpha: in (0, 1).

    Returns:
        The ⌈(n + 1)(1 − alpha)⌉-th smallest value; infinity if n is too small for `alpha`.
    """
    rank = math.ceil((len(values) + 1) * (1 - alpha) - 1e-9)
    return math.inf if rank > len(values) else float(np.sort(values)[rank - 1])


def two_sided(values: Sequence[float], alpha: float) -> tuple[float, float]:
    """The interval around 0 outside which a further exchangeable value lies with probability
    `alpha` at most; infinite if there are too few values for `alpha`."""
    each = np.array(values, dtype=np.float64)
    if not len(each):
        return -math.inf, math.inf
    low, high = (max(conformal_bound(side, alpha / 2), 0.0) for side in (-each, each))
    return -low, high


def smallest_shift(end: float, reached: Callable[[float], bool]) -> float:
    """The shift nearest to 0 that is enough, given that `end` is."""
    near, far = 0.0, end
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        near, far = (near, middle) if reached(middle) else (middle, far)
    return far
