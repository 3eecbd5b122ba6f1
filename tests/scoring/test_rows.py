"""A finished file becomes a row: tempered, aggregated, compared with the threshold."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfsubmit.hooks.interfaces import BoundAggregator, RegisteredAggregator
from dfsubmit.records import FileScan, FrameRecord, Kind, MediaFile, Status
from dfsubmit.scoring.aggregate import mean, mean_bounds
from dfsubmit.scoring.decision import Decision
from dfsubmit.scoring.engine import ScoredFile
from dfsubmit.scoring.rows import RowMaker

FILE = MediaFile(Path("clip.mp4"), "clip.mp4", 1, 2)


def maker(function=mean, bounds=mean_bounds, failure_label=0, **decision):
    registered = RegisteredAggregator("rule", function, "tests", frozenset(), bounds)
    return RowMaker(
        BoundAggregator("rule", registered, {}), Decision("rule", **decision), failure_label
    )


def scored(*p_fake, **scan):
    frames = [FrameRecord(i, i / 10, (0, 0, 9, 9), 1.0, p) for i, p in enumerate(p_fake)]
    return ScoredFile(FILE, FileScan(**scan), frames, 0.75)


def test_the_scan_and_the_scores_meet_in_the_row():
    scan = {
        "kind": Kind.VIDEO,
        "frames_asked": 40,
        "frames_decoded": 30,
        "frames_with_face": 2,
        "thinned": True,
        "seconds": {"decode": 1.0, "detect": 2.0},
    }
    finished = scored(0.25, 0.875, **scan)
    row = maker().row(finished)
    assert (row.filename, row.status, row.label, row.p_fake) == ("clip.mp4", Status.OK, 1, 0.5625)
    assert (row.kind, row.thinned, row.bounds, row.error) == (Kind.VIDEO, True, None, "")
    assert (row.frames_asked, row.frames_decoded, row.frames_with_face) == (40, 30, 2)
    assert row.frames == finished.frames
    assert row.seconds == {"decode": 1.0, "detect": 2.0, "classify": 0.75}


@pytest.mark.parametrize("failure_label", [0, 1])
@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
def test_a_failure_has_the_failure_label_and_no_score(status, failure_label):
    row = maker(failure_label=failure_label).row(scored(0.9, status=status, error="why"))
    assert (row.status, row.label, row.p_fake, row.error) == (status, failure_label, None, "why")
    # A worker that died half-way leaves faces that say nothing about the file.
    assert row.frames == []


def test_the_threshold_decides():
    assert maker(threshold=0.6).row(scored(0.6)).label == 0
    assert maker(threshold=0.59).row(scored(0.6)).label == 1


def test_the_temperature_is_applied_to_each_frame():
    # sigmoid(logit(0.9) / 2) = 0.75; the frames on record stay as the model gave them.
    row = maker(temperature=2.0).row(scored(0.9, 0.5))
    assert row.p_fake == pytest.approx((0.75 + 0.5) / 2)
    assert [frame.p_fake for frame in row.frames] == [0.9, 0.5]


def test_an_aggregator_that_fails_is_replaced_and_noted():
    row = maker(lambda scores: float("nan")).row(scored(0.2, 0.4))
    assert row.p_fake == pytest.approx(0.3)
    assert row.aggregator_fallback
    assert "nan" in row.error


def test_an_early_exit_reports_bounds_in_place_of_a_score():
    row = maker().row(scored(1.0, 1.0, frames_skipped=1))
    assert row.p_fake is None
    assert row.bounds == (pytest.approx(2 / 3), pytest.approx(1.0))
    assert row.label == 1


def test_bounds_are_those_of_tempered_frames():
    row = maker(temperature=2.0).row(scored(0.9, 0.9, frames_skipped=2))
    assert row.bounds == (pytest.approx(0.375), pytest.approx(0.875))


def test_a_row_is_decided_anew_with_another_rule():
    row = maker(lambda scores: float("nan")).row(scored(0.2, 0.8, frames_skipped=1))
    maker(lambda scores: float(scores.p_fake.max()), None, threshold=0.7).decide(row)
    assert (row.label, row.error, row.aggregator_fallback) == (1, "", False)
    row.frames_skipped = 0
    maker(lambda scores: float(scores.p_fake.min())).decide(row)
    assert (row.label, row.p_fake, row.bounds) == (0, 0.2, None)


def test_a_failed_row_stays_failed():
    row = maker(failure_label=0).row(scored(status=Status.NO_FACE, error="no face"))
    maker(failure_label=1).decide(row)
    assert (row.status, row.label, row.error) == (Status.NO_FACE, 1, "no face")


def test_grants_follow_the_tempered_scores():
    frames = scored(*[0.99] * 12).frames
    assert maker().grant(frames, 8) == 0
    # At this temperature 0.99 becomes 0.61: 12 of 20 such frames settle nothing.
    assert maker(temperature=10.0).grant(frames, 8) > 0
