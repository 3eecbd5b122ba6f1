"""How far a quicker precision can be from fp32, as a bound learned from files scored in both.

In: results with both probabilities of each frame (`FileResult.quick` and its frames). Out: for any
other file, the range in which its fp32 aggregate lies, with confidence `CONFIDENCE`.

For an aggregator that is declared monotone, the bound is on the logit of a frame: low ≤
logit(fp32) − logit(quick) ≤ high. A file's range is its aggregate with all frames moved by `low`,
and by `high`. It is on logits because an error of a logit moves a probability most near 0.5, where
it matters: errors of probabilities, learned from clear files, are too small for doubtful ones. The
first bound are two-sided conformal quantiles of single frames with the finite-sample correction
(Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World"; of n values, the
⌈(n + 1)(1 − α/2)⌉-th smallest, and the same from the other end).

For any other aggregator, shifted frames bound nothing. The bound is then on the difference of
a file's two aggregates, and needs `FILES` files.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from dfsubmit.records import FileResult, FloatArray, FrameScores, frame_scores
from dfsubmit.scoring.aggregate import aggregate, label_for
from dfsubmit.scoring.rows import RowMaker

CONFIDENCE = 0.99
FRAMES = 300
"""The number of frames scored in both precisions before a bound on frames is used."""

FILES = 99
"""The smallest number of files for a bound on files: of fewer, no quantile has `CONFIDENCE`."""

_SMALLEST = 1e-12
"""Probabilities are kept this far from 0 and 1, so that logits are finite."""

_HALVINGS = 40


class Margin:
    """The bound of one run's aggregator, temperature and threshold.

    It only grows once it is known: files that were scored in both because they are near the
    threshold are no random choice, and must not make it smaller.

    Args:
        rows: of the run.

    Attributes:
        low, high: the bound, on logits of frames (low ≤ 0 ≤ high), or on the aggregate if the
            aggregator is not declared monotone. Infinite until it is known.
    """

    def __init__(self, rows: RowMaker) -> None:
        self.rows = rows
        self.monotone = "monotone" in rows.aggregator.registered.properties
        self.low, self.high = -math.inf, math.inf
        self._first: list[float] = []

    @property
    def known(self) -> bool:
        """Whether enough was scored in both precisions."""
        return math.isfinite(self.high)

    def learn(self, result: FileResult) -> None:
        """Add a file that was scored in both precisions.

        Args:
            result: `quick` is not None.
        """
        exact, quick = frame_scores(result.frames), quick_scores(result)
        if self.monotone:
            differences = _logits(exact.p_fake) - _logits(quick.p_fake)
        else:
            differences = np.array([self._aggregate(exact) - self._aggregate(quick)])
        if self.known:
            low, high = float(differences.min()), float(differences.max())
            if self.monotone:
                low, high = self._needed(quick, self._aggregate(exact), low, high)
            self.low, self.high = min(self.low, low), max(self.high, high)
            return
        self._first += differences.tolist()
        if self.monotone and len(self._first) >= FRAMES:
            values, alpha = np.array(self._first), (1 - CONFIDENCE) / 2
            self.low = -max(conformal_bound(-values, alpha), 0.0)
            self.high = max(conformal_bound(values, alpha), 0.0)
        elif not self.monotone and len(self._first) >= FILES:
            self.high = conformal_bound(np.abs(self._first), 1 - CONFIDENCE)
            self.low = -self.high

    def settles(self, result: FileResult) -> bool:
        """Whether a file that was scored in the quick precision only has fp32's label.

        Args:
            result: with status ok; after an early exit, its bounds decide.
        """
        if not self.known:
            return False
        reach = self.reach(frame_scores(result.frames), result.frames_skipped)
        threshold = self.rows.decision.threshold
        return reach is not None and {label_for(end, threshold) for end in reach} == {result.label}

    def quick_label(self, result: FileResult) -> int:
        """The label that a file scored in both precisions has in the quick one."""
        value = self._aggregate(quick_scores(result))
        return label_for(value, self.rows.decision.threshold)

    def reach(self, quick: FrameScores, remaining: int = 0) -> tuple[float, float] | None:
        """The range of a file's aggregate in fp32, after `remaining` further frames.

        Args:
            quick: the frames in the quick precision, at least one, at temperature 1.
            remaining: the number of frames not visited.

        Returns:
            low and high; None if the bound is not known, or the aggregator declares no bounds for
            frames to come.
        """
        if not self.known or (remaining and self.rows.aggregator.registered.bounds is None):
            return None
        if self.monotone:
            low, _ = self._range(_shifted(quick, self.low), remaining)
            _, high = self._range(_shifted(quick, self.high), remaining)
            return low, high
        low, high = self._range(quick, remaining)
        return low + self.low, high + self.high

    def _range(self, scores: FrameScores, remaining: int) -> tuple[float, float]:
        if not remaining:
            value = self._aggregate(scores)
            return value, value
        bounds = self.rows.aggregator.bounds(self._tempered(scores), remaining)
        assert bounds is not None  # `reach` has asked
        return bounds

    def _aggregate(self, scores: FrameScores) -> float:
        return aggregate(self.rows.aggregator, self._tempered(scores))[0]

    def _tempered(self, scores: FrameScores) -> FrameScores:
        return dataclasses.replace(scores, p_fake=self.rows.decision.temper(scores.p_fake))

    def _needed(
        self, quick: FrameScores, exact: float, low: float, high: float
    ) -> tuple[float, float]:
        """The smallest shifts of all frames, from 0 towards `low` and `high`, with which the quick
        aggregate reaches the exact one; shifts of `low` and `high` do."""

        def moved(shift: float) -> float:
            return self._aggregate(_shifted(quick, shift))

        at_rest = moved(0.0)
        if exact < at_rest:
            return _smallest(low, lambda shift: moved(shift) <= exact), 0.0
        if exact > at_rest:
            return 0.0, _smallest(high, lambda shift: moved(shift) >= exact)
        return 0.0, 0.0


def quick_scores(result: FileResult) -> FrameScores:
    """A file's frames with their probabilities in the quick precision."""
    assert result.quick is not None
    quick = np.array(result.quick, dtype=np.float64)
    return dataclasses.replace(frame_scores(result.frames), p_fake=quick)


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


def _smallest(end: float, reached: Callable[[float], bool]) -> float:
    """The shift nearest to 0 that is enough, given that `end` is."""
    near, far = 0.0, end
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        near, far = (near, middle) if reached(middle) else (middle, far)
    return far


def _shifted(scores: FrameScores, shift: float) -> FrameScores:
    """The scores with `shift` added to the logit of every frame."""
    moved = 0.5 + 0.5 * np.tanh((_logits(scores.p_fake) + shift) / 2)
    return dataclasses.replace(scores, p_fake=moved)


def _logits(p_fake: FloatArray) -> FloatArray:
    p = np.clip(p_fake, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(p) - np.log1p(-p), dtype=np.float64)
