"""The aggregation rules: the `FrameScores` of one file → one probability of fake in [0, 1].

Each rule is plain NumPy on the whole file at once, and gives the frame's own probability where
there is only one (`vote` gives 0 or 1).
"""

from __future__ import annotations

import numpy as np

from dfsubmit.hooks import FloatArray, FrameScores

# Log-odds of a probability within one float32 step of 0 or 1: softmax outputs carry no more.
_LARGEST_LOGIT = 16.0


def median(scores: FrameScores) -> float:
    """The middle frame's probability, or the mean of the middle two."""
    return float(np.median(scores.p_fake))


def logit_mean(scores: FrameScores) -> float:
    """The mean of the frames' log-odds, as a probability: the naive-Bayes way to pool frames.

    Log-odds are limited to ±16, so that one saturated frame is a strong vote and not a veto.
    """
    p = scores.p_fake
    with np.errstate(divide="ignore"):
        logits = np.log(p) - np.log1p(-p)
    pooled = 1 / (1 + np.exp(-np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT).mean()))
    # The limit above must not move a file whose frames all agree.
    return float(np.clip(pooled, p.min(), p.max()))


def trimmed_mean(scores: FrameScores, cut: float = 0.1) -> float:
    """The mean without the share `cut` of the lowest and of the highest frames, rounded down."""
    if not 0 <= cut < 0.5:
        raise ValueError(f"cut must be at least 0 and under 0.5, not {cut}")
    dropped = int(cut * len(scores))
    return float(np.sort(scores.p_fake)[dropped : len(scores) - dropped].mean())


def topk(scores: FrameScores, k: int = 5) -> float:
    """The mean of the `k` highest frames, or of all where there are fewer."""
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    return float(np.sort(scores.p_fake)[-k:].mean())


def maximum(scores: FrameScores) -> float:
    """The highest frame."""
    return float(scores.p_fake.max())


def quantile(scores: FrameScores, q: float = 0.75) -> float:
    """The quantile `q` of the frames, interpolated linearly."""
    return float(np.quantile(scores.p_fake, q))


def mean_max(scores: FrameScores, w: float = 0.4) -> float:
    """``(1 - w)·mean + w·max``; with w = 0.4 a rule that a participant of 2025 submitted."""
    if not 0 <= w <= 1:
        raise ValueError(f"w must be from 0 to 1, not {w}")
    return float((1 - w) * scores.p_fake.mean() + w * scores.p_fake.max())


def vote(scores: FrameScores, threshold: float = 0.5) -> float:
    """The share of frames above `threshold`."""
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold must be at least 0 and under 1, not {threshold}")
    return float((scores.p_fake > threshold).mean())


def confident(scores: FrameScores, t: float = 0.8) -> float:
    """The DFDC winner's rule: where many frames are sure, only they speak.

    The mean of the frames above `t` when they are more than 1 in 2.5; else the mean of those
    below 0.2 when they are more than 9 in 10; else the mean of all.

    Source: `confident_strategy` in kernel_utils.py of github.com/selimsef/dfdc_deepfake_challenge
    (S. Seferbekov, 2020). It also asks for more than 11 sure frames of the 32 that it samples.
    Scaled to the number of frames that share, 0.34, is always exceeded where 1 in 2.5 is.
    """
    p = scores.p_fake
    sure_fake, sure_real = p > t, p < 0.2
    if np.count_nonzero(sure_fake) > len(p) // 2.5:
        return float(p[sure_fake].mean())
    if np.count_nonzero(sure_real) > 0.9 * len(p):
        return float(p[sure_real].mean())
    return float(p.mean())


def detection_weighted(scores: FrameScores) -> float:
    """The mean, each frame weighted by the detector's confidence in its face."""
    return _weighted_mean(scores.p_fake, scores.detection)


def face_size_weighted(scores: FrameScores) -> float:
    """The mean, each frame weighted by the area of its face's box in pixels."""
    left, top, right, bottom = scores.boxes.T.astype(np.float64)
    return _weighted_mean(scores.p_fake, (right - left) * (bottom - top))


def smoothed_max(scores: FrameScores, window: float = 1.0) -> float:
    """The highest running mean over `window` seconds: a fake passage counts, a lone frame less.

    A frame's running mean takes the frames up to half a window before and after it.
    """
    if window < 0:
        raise ValueError(f"window must not be negative, but is {window}")
    # A microsecond of slack keeps frames that lie exactly on the edge in, whatever the rounding.
    reach = window / 2 + 1e-6
    first = np.searchsorted(scores.times, scores.times - reach, side="left")
    last = np.searchsorted(scores.times, scores.times + reach, side="right")
    sums = np.concatenate([[0.0], np.cumsum(scores.p_fake)])
    running = (sums[last] - sums[first]) / (last - first)
    # Differences of sums carry rounding errors past the frames' own range.
    return float(np.clip(running.max(), scores.p_fake.min(), scores.p_fake.max()))


def _weighted_mean(p_fake: FloatArray, weights: FloatArray) -> float:
    """A weighted mean; plain where no weight is positive and finite."""
    weights = np.where(np.isfinite(weights), np.maximum(weights, 0.0), 0.0)
    if not weights.any():
        return float(p_fake.mean())
    return float((p_fake @ (weights / weights.max())) / (weights / weights.max()).sum())
