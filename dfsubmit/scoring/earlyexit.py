"""Label-exact early exit: stop a file when no remaining frame can change its label.

`EarlyExit` is the whole interface: the first number of frames for a file, and how many more. The
engine, the pool and the workers only pass on these grants of frames.

Frames are visited coarse to fine. After each grant, the aggregator's declared bounds give the range
of the final score. Once both ends are on the same side of the threshold, the label is that of the
full run, and the remaining frames are neither searched for faces nor classified.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dfsubmit.hooks.interfaces import BoundAggregator
from dfsubmit.records import FrameRecord, FrameScores, frame_scores
from dfsubmit.scoring.aggregate import label_for
from dfsubmit.scoring.margin import Margin
from dfsubmit.scoring.rows import RowMaker

Reach = Callable[[FrameScores, int], "tuple[float, float] | None"]
"""``reach(scores, remaining) -> (low, high)``: the range of the final score; None if unknown."""

# A full run has other frame order and batches, which changes p_fake slightly.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class EarlyExit:
    """How many of a file's frames to visit.

    Attributes:
        active: frames are granted in steps; otherwise a file gets all of them at once.
    """

    active: bool

    @classmethod
    def for_run(cls, wanted: bool, aggregator: BoundAggregator) -> EarlyExit:
        """Active if it is wanted and the aggregator declares bounds."""
        return cls(wanted and aggregator.registered.bounds is not None)

    @property
    def first_grant(self) -> int | None:
        """The number of frames that a worker visits before it asks; None for all."""
        return 0 if self.active else None

    @property
    def spare_workers(self) -> int:
        """Workers in addition to one per core, since a worker that waits for its grant is idle."""
        return int(self.active)

    def more(
        self,
        rows: RowMaker,
        frames: Sequence[FrameRecord],
        left: int,
        margin: Margin | None = None,
    ) -> int:
        """How many of the `left` frames a file still needs, given those that are classified; 0
        when its label is settled.

        Args:
            rows: of the run.
            frames: classified so far.
            left: the number of frames not visited.
            margin: how far fp32 may be from these frames; None if they are exact.
        """
        if margin is not None:
            return next_grant(margin.reach, frame_scores(frames), left, rows.decision.threshold)
        scores = rows.tempered(frames)
        return next_grant(rows.aggregator.bounds, scores, left, rows.decision.threshold)

    def conditions(self, rows: RowMaker) -> dict[str, Any]:
        """Further conditions of frame scores: which frames are visited depends on the aggregator
        and the threshold."""
        if not self.active:
            return {}
        return {"early_exit": [rows.aggregator.spec, dataclasses.asdict(rows.decision)]}


def decided(low: float, high: float, threshold: float) -> bool:
    """Whether every value from low to high has the same label."""
    return label_for(low, threshold) == label_for(high, threshold)


def next_grant(reach: Reach, scores: FrameScores, remaining: int, threshold: float) -> int:
    """The minimum number of further frames that could settle the label; 0 if it is settled.

    Args:
        reach: gives the range of the final score, such as `BoundAggregator.bounds`.
        scores: the frames classified so far; may be empty.
        remaining: frames not visited yet.
        threshold: of the label.
    """
    if remaining == 0 or _settled(reach, scores, remaining, threshold):
        return 0
    # The label is settled soonest if every further frame has probability 0, or 1.
    for grant in range(1, remaining):
        for certain in (0.0, 1.0):
            imagined = _extended(scores, grant, certain)
            if _settled(reach, imagined, remaining - grant, threshold):
                return grant
    return remaining


def _settled(reach: Reach, scores: FrameScores, remaining: int, threshold: float) -> bool:
    # Until a face was found the file may still turn out to have none, and no score.
    bounds = reach(scores, remaining) if len(scores) else None
    if bounds is None:
        return False
    low, high = bounds
    return decided(low - _ROUNDING, high + _ROUNDING, threshold)


def _extended(scores: FrameScores, count: int, p_fake: float) -> FrameScores:
    """The scores with assumed frames appended."""
    zeros = np.zeros(count)
    return FrameScores(
        np.concatenate([scores.p_fake, np.full(count, p_fake)]),
        np.concatenate([scores.times, zeros]),
        np.concatenate([scores.boxes, np.zeros((count, 4), np.int64)]),
        np.concatenate([scores.detection, zeros]),
    )
