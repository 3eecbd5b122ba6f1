"""A finished file's frames → its row: tempered, aggregated, compared with the threshold.

In: a `ScoredFile`. Out: a `FileResult`. The same code decides rows that an interrupted run left, so
a resumed run with another aggregator or threshold needs no second look at the media.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from dfsubmit.hooks.interfaces import BoundAggregator
from dfsubmit.records import FileResult, FrameRecord, FrameScores, Status
from dfsubmit.scoring.aggregate import aggregate, label_for
from dfsubmit.scoring.decision import Decision
from dfsubmit.scoring.earlyexit import next_grant
from dfsubmit.scoring.engine import ScoredFile


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

    def row(self, scored: ScoredFile) -> FileResult:
        """The row of a file that has just been finished."""
        scan = scored.scan
        result = FileResult(
            filename=scored.file.name,
            status=scan.status,
            kind=scan.kind,
            frames_asked=scan.frames_asked,
            frames_decoded=scan.frames_decoded,
            frames_with_face=scan.frames_with_face,
            frames_skipped=scan.frames_skipped,
            frames=scored.frames if scan.status is Status.OK else [],
            seconds={**scan.seconds, "classify": scored.classify_seconds},
            error=scan.error,
            thinned=scan.thinned,
        )
        self.decide(result)
        return result

    def decide(self, result: FileResult) -> None:
        """Set label, p_fake and bounds from the result's frames."""
        result.label = self.failure_label
        if result.status is not Status.OK:
            return
        scores = self._tempered(result)
        value, result.error = aggregate(self.aggregator, scores)
        result.aggregator_fallback = bool(result.error)
        result.label = label_for(value, self.decision.threshold)
        result.p_fake, result.bounds = value, None
        if result.frames_skipped:
            result.p_fake = None
            result.bounds = self.aggregator.bounds(scores, result.frames_skipped)

    def grant(self, frames: list[FrameRecord], left: int) -> int:
        """With early exit: how many of the frames left a file still needs; 0 when its label is
        settled."""
        scores = self._tempered(FileResult("", frames=frames))
        return next_grant(self.aggregator, scores, left, self.decision.threshold)

    def _tempered(self, result: FileResult) -> FrameScores:
        scores = result.frame_scores()
        return dataclasses.replace(scores, p_fake=self.decision.temper(scores.p_fake))
