"""A permutation test: whether rules differ from a reference in macro F1, by swapping labels.

In: the labels that several rules and one reference give to the same files. Out: a p value for each
rule, adjusted for multiple comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from dfsubmit.intervals.quantiles import SAMPLES
from dfsubmit.labels import FAKE
from dfsubmit.metrics import Predictions, label_metrics
from dfsubmit.records import FloatArray, IntArray

LEVEL = 0.05
"""An adjusted p up to it is a verdict."""
UNDECIDED = "not distinguishable"
"""The verdict above it."""

# Swaps in one block: 8 MB of float32.
_BLOCK = 2_000_000


def adjusted_p(
    reference: Predictions,
    rules: Sequence[Predictions],
    groups: IntArray,
    samples: int = SAMPLES,
    seed: int = 0,
) -> FloatArray:
    """How often chance alone gives a difference in macro F1 as large as each rule's: float64 (r,).

    Were a rule as good as the reference, the two could change places in any group of files. The
    same groups are swapped for all rules at once, so that their likeness counts. Each rule's
    difference is taken relative to its own spread over the swaps; p is adjusted by Westfall and
    Young's step-down max-T (Resampling-Based Multiple Testing, 1993, algorithm 2.8), so that the
    chance of any p ≤ 0.05 among rules that are all as good as the reference is about 5 %.

    Where there are no more than `samples` ways to swap the groups in which labels differ, all are
    taken and p is exact; otherwise it is (1 + those as large) / (1 + `samples`).

    Args:
        reference: labels of n files, of both classes.
        rules: labels of the same files.
        groups: int64 (n,), numbers; a group is swapped whole.
        samples, seed: of the random swaps.
    """
    _, numbers = np.unique(groups, return_inverse=True)
    own = np.stack([_cells_by_group(rule, numbers) for rule in rules])
    base = _cells_by_group(reference, numbers)
    moved = own - base
    differing = moved.any(axis=(0, 2))
    # (groups that differ, rules * 4)
    moves = moved[:, differing].transpose(1, 0, 2).reshape(-1, 4 * len(rules))
    observed = np.abs(_macro_f1(own.sum(axis=1)) - _macro_f1(base.sum(axis=0)))
    blocks = []
    for swaps in _swaps(len(moves), samples, seed):
        change = (swaps @ moves.astype(np.float32)).astype(np.float64).reshape(len(swaps), -1, 4)
        difference = _macro_f1(own.sum(axis=1) - change) - _macro_f1(base.sum(axis=0) + change)
        blocks.append(np.abs(difference))
    swapped = np.concatenate(blocks)
    spread = np.sqrt((swapped**2).mean(axis=0))
    spread[spread == 0] = np.inf  # a rule that changes nothing
    return _step_down(observed / spread, swapped / spread, exact=2 ** len(moves) <= samples)


def _step_down(observed: FloatArray, swapped: FloatArray, exact: bool) -> FloatArray:
    order = np.argsort(-observed, kind="stable")
    # The largest among the rules from each place on, down to the last.
    largest = np.maximum.accumulate(swapped[:, order[::-1]], axis=1)[:, ::-1]
    as_large = (largest >= observed[order] - 1e-9).sum(axis=0)
    count = len(swapped)
    p = as_large / count if exact else (1 + as_large) / (1 + count)
    adjusted = np.empty(len(observed))
    adjusted[order] = np.maximum.accumulate(p)
    return adjusted


def _swaps(groups: int, samples: int, seed: int) -> Iterator[npt.NDArray[np.float32]]:
    """Blocks of rows with 1 for a group that is swapped and 0 for one that is not."""
    if 2**groups <= samples:
        ways = np.arange(2**groups)[:, None] >> np.arange(groups)
        yield (ways & 1).astype(np.float32)
        return
    random = np.random.default_rng(seed)
    block = max(1, _BLOCK // groups)
    for start in range(0, samples, block):
        size = (min(block, samples - start), groups)
        yield random.integers(0, 2, size, dtype=np.int8).astype(np.float32)


def _cells_by_group(item: Predictions, numbers: IntArray) -> IntArray:
    """int64 (groups, 4): true positives, false positives, false negatives, true negatives."""
    cells = 2 * (item.predicted != FAKE) + (item.labels != FAKE)
    counts = np.bincount(4 * numbers + cells, minlength=4 * (int(numbers.max()) + 1))
    return np.asarray(counts.reshape(-1, 4))


def _macro_f1(cells: FloatArray | IntArray) -> FloatArray:
    """Of cells (..., 4)."""
    flat = label_metrics(cells.reshape(-1, 4).astype(np.float64))["macro_f1"]
    return flat.reshape(cells.shape[:-1])
