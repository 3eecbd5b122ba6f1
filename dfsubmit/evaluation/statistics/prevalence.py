"""The share of fakes among files without labels, from the probabilities that a model gives them."""

from __future__ import annotations

import numpy as np

from dfsubmit.intervals.quantiles import CONFIDENCE, Interval
from dfsubmit.records import FloatArray

_SAMPLES = 500
_HALVINGS = 40
# A probability of exactly 0 or 1 would decide by itself what the share can be.
_SURE = 1e-6


def share_of_fakes(
    p_fake: FloatArray, reference: FloatArray, seed: int = 0
) -> tuple[float, Interval]:
    """The share of fakes that explains these probabilities best, with its 95 % interval.

    The fixed point of the EM algorithm of Saerens, Latinne and Decaestecker ("Adjusting the
    outputs of a classifier to new a priori probabilities", Neural Computation 14, 2002), which is
    the maximum of a concave likelihood, found by bisection. The interval is the bootstrap's, over
    the files of both sides.

    It holds where the probabilities are calibrated on the reference, and real and fake files look
    there as they look here; no interval covers a breach of either.

    Args:
        p_fake: float64 (n,), of the files asked about.
        reference: float64 (m,), of files like those on which the model is calibrated. Their mean
            stands for the share of fakes among them.
        seed: of the bootstrap.
    """
    random = np.random.default_rng(seed)
    here, there = (np.clip(p, _SURE, 1 - _SURE) for p in (p_fake, reference))
    drawn_here = here[random.integers(0, len(here), (_SAMPLES, len(here)))]
    drawn_there = there[random.integers(0, len(there), (_SAMPLES, len(there)))]
    tail = (1 - CONFIDENCE) / 2
    value = float(_most_likely(here[None], np.array([there.mean()]))[0])
    shares = _most_likely(drawn_here, drawn_there.mean(axis=1))
    low, high = np.quantile(shares, [tail, 1 - tail])
    return value, (min(float(low), value), max(float(high), value))


def _most_likely(p_fake: FloatArray, prior: FloatArray) -> FloatArray:
    """The most likely share in each row: float64 (b, n) and (b,) → (b,)."""
    fake, real = p_fake / prior[:, None], (1 - p_fake) / (1 - prior[:, None])
    low: FloatArray = np.zeros(len(p_fake))
    high: FloatArray = np.ones(len(p_fake))
    for _ in range(_HALVINGS):
        share = ((low + high) / 2)[:, None]
        slope = ((fake - real) / (share * fake + (1 - share) * real)).sum(axis=1)
        low, high = np.where(slope > 0, share[:, 0], low), np.where(slope > 0, high, share[:, 0])
    return np.asarray((low + high) / 2)
