"""Intervals of what is fitted on labelled files, by resampling them.

In: the groups of the files. Out: how often each sample holds each file, and the interval of what
was computed on the samples. Metrics themselves have better intervals: `dfsubmit.intervals`.

Files of one group (a person, a source video) are drawn together: they are not independent, and
intervals that take them as such are too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from dfsubmit.records import FloatArray, IntArray

SAMPLES = 1000
CONFIDENCE = 0.95
# Weights of one block of samples: 8 MB of float32, which keeps the passes over them in cache.
_BLOCK = 2_000_000


def sample_weights(
    groups: IntArray, samples: int = SAMPLES, seed: int = 0
) -> Iterator[npt.NDArray[np.float32]]:
    """How often each bootstrap sample holds each file, in blocks (b, n) that add up to `samples`.

    Args:
        groups: int64 (n,), numbers from 0 up: what is drawn, with replacement.
        samples: how many.
        seed: the same seed gives the same samples.
    """
    random = np.random.default_rng(seed)
    count = int(groups.max()) + 1
    block = max(1, _BLOCK // len(groups))
    for start in range(0, samples, block):
        rows = min(block, samples - start)
        drawn = random.integers(0, count, size=(rows, count))
        drawn += np.arange(rows)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        yield times.astype(np.float32)[:, groups]


def interval(values: FloatArray) -> tuple[float, float]:
    """The central 95 % of the samples' values, over samples where the metric is defined; NaN
    where it is in none."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return math.nan, math.nan
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)
