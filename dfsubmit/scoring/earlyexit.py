"""Label-exact early exit: when no frame that is still to come can change a file's label.

`EarlyExit` is all that a run knows of it: how many frames a file gets at first, and how many more.
The engine, the pool and the workers carry grants of frames and do not ask what they are for.

Frames are visited coarse to fine. After each grant the aggregator's declared bounds say what the
score can still become; once both ends fall on the same side of the threshold, the label is that of
the full run, and the remaining frames need not be searched for faces or classified.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dfsubmit.hooks.interfaces import BoundAggregator
from dfsubmit.records import FrameRecord, FrameScores
from dfsubmit.scoring.aggregate import label_for
from dfsubmit.scoring.rows import RowMaker

# A full run has its frames in another order and in other batches, which moves p_fake a little.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class EarlyExit:
    """How many of a file's frames to visit.

    Attributes:
        active: frames are granted step by step; otherwise a file gets all of them at once.
    """

    active: bool

    @classmethod
    def for_run(cls, wanted: bool, aggregator: BoundAggregator) -> EarlyExit:
        """Early exit where it is wanted and the aggregator declares the bounds that it needs."""
        return cls(wanted and aggregator.registered.bounds is not None)

    @property
    def first_grant(self) -> int | None:
        """The frames that a worker may visit before it asks; None for all."""
        return 0 if self.active else None

    @property
    def spare_workers(self) -> int:
        """Workers beside one for each core: one that waits for its grant leaves its core idle."""
        return int(self.active)

    def more(self, rows: RowMaker, frames: Sequence[FrameRecord], left: int) -> int:
        """How many of the `left` frames a file still needs, given those that are classified; 0
        when its label is settled."""
        scores, threshold = rows.tempered(frames), rows.decision.threshold
        return next_grant(rows.aggregator, scores, left, threshold)

    def conditions(self, rows: RowMaker) -> dict[str, Any]:
        """What frame scores depend on because of it: which frames are visited depends on how they
        become a label."""
        if not self.active:
            return {}
        return {"early_exit": [rows.aggregator.spec, dataclasses.asdict(rows.decision)]}


def decided(low: float, high: float, threshold: float) -> bool:
    """Whether every value from low to high has the same label."""
    return label_for(low, threshold) == label_for(high, threshold)


def next_grant(
    aggregator: BoundAggregator, scores: FrameScores, remaining: int, threshold: float
) -> int:
    """The fewest further frames after which the label may be settled; 0 when it is settled now.

    Args:
        aggregator: one that declares bounds.
        scores: the frames classified so far, perhaps none.
        remaining: frames not visited yet.
        threshold: of the label.
    """
    if remaining == 0 or _settled(aggregator, scores, remaining, threshold):
        return 0
    # The label is settled soonest if every further frame is certain, one way or the other.
    for grant in range(1, remaining):
        for certain in (0.0, 1.0):
            imagined = _extended(scores, grant, certain)
            if _settled(aggregator, imagined, remaining - grant, threshold):
                return grant
    return remaining


def _settled(
    aggregator: BoundAggregator, scores: FrameScores, remaining: int, threshold: float
) -> bool:
    # Until a face was found the file may still turn out to have none, and no score.
    bounds = aggregator.bounds(scores, remaining) if len(scores) else None
    if bounds is None:
        return False
    low, high = bounds
    return decided(low - _ROUNDING, high + _ROUNDING, threshold)


def _extended(scores: FrameScores, count: int, p_fake: float) -> FrameScores:
    """The scores with imagined frames behind them."""
    zeros = np.zeros(count)
    return FrameScores(
        np.concatenate([scores.p_fake, np.full(count, p_fake)]),
        np.concatenate([scores.times, zeros]),
        np.concatenate([scores.boxes, np.zeros((count, 4), np.int64)]),
        np.concatenate([scores.detection, zeros]),
    )
