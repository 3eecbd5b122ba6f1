"""How far a quicker precision can be from fp32, as a bound learned from files scored in both.

In: results with both probabilities of each frame (`FileResult.quick` and its frames). Out: for any
other file, the range in which its fp32 aggregate lies, with confidence `CONFIDENCE`.

For an aggregator that is declared monotone, the bound is on the logit of a frame: low ≤
logit(fp32) − logit(quick) ≤ high. A file's range is its aggregate with all frames moved by `low`,
and by `high`. It is on logits because an error of a logit moves a probability most near 0.5, where
it matters: errors of probabilities, learned from clear files, are too small for doubtful ones. The
first bounds are two-sided conformal quantiles of single frames with the finite-sample correction
(Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World"; of n values, the
⌈(n + 1)(1 − α/2)⌉-th smallest, and the same from the other end).

Much of the error is the same in all frames of a video. Where `SAMPLED` or more frames of a file
were scored in both precisions, the mean of their differences is added to the others (`corrected`),
and a second, tighter bound holds for what is left: `rest_low` to `rest_high`, learned from the same
first files.

For any other aggregator, shifted frames bound nothing. The bound is then on the difference of
a file's two aggregates, and needs `FILES` files.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from dfsubmit.records import FileResult, FloatArray, FrameScores, frame_scores
from dfsubmit.scoring.aggregate import aggregate, label_for
from dfsubmit.scoring.conformal import conformal_bound, smallest_shift, two_sided
from dfsubmit.scoring.correction import (
    BoolArray,
    corrected,
    in_both,
    logits,
    quick_scores,
    shifted,
)
from dfsubmit.scoring.rows import RowMaker

CONFIDENCE = 0.99
FRAMES = 300
"""The number of frames scored in both precisions before a bound on frames is used."""

FILES = 99
"""The smallest number of files for a bound on files: of fewer, no quantile has `CONFIDENCE`."""

ENDS = ("low", "high", "rest_low", "rest_high")

SAMPLED = 4
"""How many frames of a doubtful file are scored in both precisions before the others are estimated.
With 2 to 8 the number of frames scored in fp32 was about the same (docs/performance.md)."""


class Margin:
    """The bound of one run's aggregator, temperature and threshold.

    It only grows once it is known: files that were scored in both because they are near the
    threshold are no random choice, and must not make it smaller.

    Args:
        rows: of the run.

    Attributes:
        low, high: the bound, on logits of frames (low ≤ 0 ≤ high), or on the aggregate if the
            aggregator is not declared monotone. Infinite until it is known.
        rest_low, rest_high: the bound on logits of frames that are `corrected`. Infinite while too
            few such frames were seen, and if the aggregator is not declared monotone.
    """

    def __init__(self, rows: RowMaker) -> None:
        self.rows = rows
        self.monotone = "monotone" in rows.aggregator.registered.properties
        self.low, self.high = -math.inf, math.inf
        self.rest_low, self.rest_high = -math.inf, math.inf
        self._first: list[float] = []
        self._first_rest: list[float] = []

    @property
    def known(self) -> bool:
        """Whether enough was scored in both precisions."""
        return math.isfinite(self.high)

    @property
    def corrects(self) -> bool:
        """Whether some frames of a file in fp32 can bound the others."""
        return math.isfinite(self.rest_high - self.rest_low)

    def learn(self, result: FileResult) -> None:
        """Add a file that was scored in both precisions, completely or in part.

        Args:
            result: `quick` is not None. Before the margin is known, all frames are in both.
        """
        exact, quick, order = in_both(result)
        if not self.monotone:
            self._learn_file(self._aggregate(exact) - self._aggregate(quick))
            return
        others = np.ones(len(order), dtype=bool)
        others[order[:SAMPLED]] = False
        difference = logits(exact.p_fake) - logits(quick.p_fake)
        rest = (difference - difference[~others].mean())[others]
        if not self.known:
            self._first += difference.tolist()
            self._first_rest += rest.tolist()
            if len(self._first) >= FRAMES:
                self.low, self.high = two_sided(self._first, 1 - CONFIDENCE)
                self.rest_low, self.rest_high = two_sided(self._first_rest, 1 - CONFIDENCE)
            return
        value = self._aggregate(exact)
        low, high = self._needed(quick, value, difference, np.ones_like(others))
        self.low, self.high = min(self.low, low), max(self.high, high)
        if others.any() and self.corrects:
            scored = {place: float(exact.p_fake[place]) for place in order[:SAMPLED]}
            partly = dataclasses.replace(quick, p_fake=corrected(quick.p_fake, scored))
            low, high = self._needed(partly, value, rest, others)
            self.rest_low, self.rest_high = min(self.rest_low, low), max(self.rest_high, high)

    def _learn_file(self, difference: float) -> None:
        if self.known:
            self.low, self.high = min(self.low, difference), max(self.high, difference)
            return
        self._first.append(difference)
        if len(self._first) >= FILES:
            self.high = conformal_bound(np.abs(self._first), 1 - CONFIDENCE)
            self.low = -self.high

    def settles(self, result: FileResult) -> bool:
        """Whether a file that was not completely scored in fp32 has fp32's label.

        Args:
            result: with status ok; after an early exit, its bounds decide.
        """
        if not self.known:
            return False
        reach: tuple[float, float] | None
        if result.estimated:
            reach = self._reach_of_rest(result)
        else:
            reach = self.reach(frame_scores(result.frames), result.frames_skipped)
        threshold = self.rows.decision.threshold
        return reach is not None and {label_for(end, threshold) for end in reach} == {result.label}

    def ends(self) -> dict[str, float | None]:
        """The bounds by name; None for those that are not known."""
        ends = {name: float(getattr(self, name)) for name in ENDS}
        return {name: end if math.isfinite(end) else None for name, end in ends.items()}

    def take_over(self, ends: Mapping[str, Any]) -> None:
        """Use the bounds of another margin, which knows more; `ends` may hold other entries."""
        for name in ENDS:
            if ends[name] is not None:
                setattr(self, name, ends[name])

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
            low, _ = self._range(shifted(quick, self.low), remaining)
            _, high = self._range(shifted(quick, self.high), remaining)
            return low, high
        low, high = self._range(quick, remaining)
        return low + self.low, high + self.high

    def _reach_of_rest(self, result: FileResult) -> tuple[float, float]:
        scores = frame_scores(result.frames)
        where = np.isin(np.arange(len(scores)), result.estimated)
        low, high = (
            self._aggregate(shifted(scores, end, where)) for end in (self.rest_low, self.rest_high)
        )
        return low, high

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
        self, scores: FrameScores, exact: float, differences: FloatArray, where: BoolArray
    ) -> tuple[float, float]:
        """The smallest shifts, one ≤ 0 and one ≥ 0, of the frames in `where` with which the
        aggregate of `scores` reaches `exact`; the least and the largest of `differences` do."""

        def moved(shift: float) -> float:
            return self._aggregate(shifted(scores, shift, where))

        at_rest = moved(0.0)
        if exact < at_rest:
            return smallest_shift(
                float(differences.min()), lambda shift: moved(shift) <= exact
            ), 0.0
        if exact > at_rest:
            return 0.0, smallest_shift(
                float(differences.max()), lambda shift: moved(shift) >= exact
            )
        return 0.0, 0.0
