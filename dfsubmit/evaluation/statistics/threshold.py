"""The threshold with the best macro F1, and its value out of fold."""

from __future__ import annotations

import numpy as np

from dfsubmit.metrics import cumulative_counts
from dfsubmit.records import FloatArray, IntArray


def best_threshold(labels: IntArray, p_fake: FloatArray) -> float:
    """The threshold in [0, 1] whose labels (fake above it) have the highest macro F1.

    Candidates lie halfway between neighbouring scores; of equally good ones, that nearest to 0.5.

    Args:
        labels: int64 (n,), both classes.
        p_fake: float64 (n,) in [0, 1].
    """
    ones = np.ones((1, len(labels)), np.float32)
    tps, fps = (counts[0] for counts in cumulative_counts(labels, p_fake, ones))
    scores = np.unique(p_fake)[::-1]
    # tps[i] and fps[i] hold when the i highest distinct scores are called fake.
    middles = (scores[:-1] + scores[1:]) / 2
    # Between neighbouring floats the middle rounds onto one of them; it must not be the upper.
    middles = np.where(middles < scores[:-1], middles, scores[1:])
    cuts = np.concatenate([[1.0], middles, [0.0]])
    fakes, reals = tps[-1], fps[-1]
    f1_fake = 2 * tps / np.maximum(tps + fps + fakes, 1)
    f1_real = 2 * (reals - fps) / np.maximum(2 * reals - fps + fakes - tps, 1)
    macro = f1_fake + f1_real
    # No threshold in [0, 1] is below a score of exactly 0.
    macro[-1] = macro[-1] if scores[-1] > 0 else -1
    best = cuts[macro >= macro.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - 0.5))])
