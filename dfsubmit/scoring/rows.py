"""A finished file's frames → its label: temperature, aggregator, threshold.

In: a `FileResult` with frames. Out: the same result with its label. Results of an interrupted run
go through the same code, so resuming with another aggregator or threshold does not read the media
again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dfsubmit.hooks.interfaces import BoundAggregator
from dfsubmit.labels import LABELS
from dfsubmit.options import RunOptions
from dfsubmit.records import FileResult, FrameRecord, FrameScores, Status, frame_scores
from dfsubmit.scoring.aggregate import aggregate, label_for
from dfsubmit.scoring.decision import Decision, decision_for


def rows_for(
    options: RunOptions, aggregator: BoundAggregator, folder: Path
) -> tuple[RowMaker, str | None]:
    """The `RowMaker` of a run, by its options and the model folder's calibration.

    Returns:
        the `RowMaker`, and the warnings about the calibration.
    """
    decision, warning = Decision(aggregator.spec), None
    if not options.raw:
        decision, warning = decision_for(folder, aggregator.spec)
    if options.threshold is not None:
        decision = dataclasses.replace(decision, threshold=options.threshold)
    return RowMaker(aggregator, decision, LABELS[options.failure_label]), warning


@dataclass(frozen=True)
class RowMaker:
    """How frames become a label.

    Attributes:
        aggregator: frames → one probability.
        decision: temperature and threshold.
        failure_label: the label of files without a score.
    """

    aggregator: BoundAggregator
    decision: Decision
    failure_label: int

    def decide(self, result: FileResult) -> None:
        """Set label, p_fake and bounds from the result's frames."""
        result.label = self.failure_label
        if result.status is not Status.OK:
            return
        scores = self.tempered(result.frames)
        value, result.error = aggregate(self.aggregator, scores)
        result.aggregator_fallback = bool(result.error)
        result.label = label_for(value, self.decision.threshold)
        result.p_fake, result.bounds = value, None
        if result.frames_skipped:
            result.p_fake = None
            result.bounds = self.aggregator.bounds(scores, result.frames_skipped)

    def tempered(self, frames: Sequence[FrameRecord]) -> FrameScores:
        """The frames as passed to an aggregator: at the decision's temperature."""
        scores = frame_scores(frames)
        return dataclasses.replace(scores, p_fake=self.decision.temper(scores.p_fake))
