"""Confidence intervals by resampling files, and tests of paired predictions.

In: predictions of the same files by one or several rules. Out: percentile intervals of each
metric, and of differences between rules on the same samples.

Files of one group (a person, a source video) are drawn together: they are not independent, and
intervals that take them as such are too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from dfsubmit.console import progress_bar
from dfsubmit.metrics import Predictions, measure
from dfsubmit.records import FloatArray, IntArray

SAMPLES = 1000
CONFIDENCE = 0.95
# Weights of one block of samples: 8 MB of float32, which keeps the passes over them in cache.
_BLOCK = 2_000_000


def group_numbers(groups: Sequence[str]) -> IntArray:
    """int64 (n,): a number for each group; a file without one ("") is a group of its own."""
    numbers: dict[object, int] = {}
    keys: list[object] = [group or row for row, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


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


def bootstrap(
    rules: Sequence[Predictions],
    groups: IntArray,
    names: Collection[str],
    samples: int = SAMPLES,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, FloatArray]:
    """The named metrics of every rule on the same samples: float64 (rules, samples) each."""
    values: dict[str, list[FloatArray]] = {name: [] for name in names}
    bar = progress_bar(samples, "samples", progress)
    for weights in sample_weights(groups, samples, seed):
        blocks = [measure(rule, weights, names) for rule in rules]
        for name in names:
            values[name].append(np.stack([block[name] for block in blocks]))
        bar.update(len(weights))
    bar.close()
    return {name: np.concatenate(blocks, axis=1) for name, blocks in values.items()}


def interval(values: FloatArray) -> tuple[float, float]:
    """The central 95 % of the samples' values, over samples where the metric is defined; NaN
    where it is in none."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return math.nan, math.nan
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def mcnemar(first_right: npt.NDArray[np.bool_], second_right: npt.NDArray[np.bool_]) -> float:
    """The exact two-sided p of McNemar's test on paired right and wrong answers.

    The chance, were both rules equally good, of a split at least as uneven among the files on
    which exactly one of them is right (binomial with 1/2). 1.0 where they never differ.
    """
    first = int((first_right & ~second_right).sum())
    second = int((second_right & ~first_right).sum())
    total = first + second
    log_half = -total * math.log(2)
    tail = sum(
        math.exp(
            math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) + log_half
        )
        for k in range(min(first, second) + 1)
    )
    return min(1.0, 2 * tail)
