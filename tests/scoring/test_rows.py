"""A finished file becomes a row: tempered, aggregated, compared with the threshold."""

from __future__ import annotations

from typing import Any

import pytest

from dfsubmit.hooks.interfaces import Aggregator, BoundAggregator, Bounds, RegisteredAggregator
from dfsubmit.records import FileResult, FrameRecord, Status
from dfsubmit.scoring.aggregate import mean, mean_bounds
from dfsubmit.scoring.decision import Decision
from dfsubmit.scoring.earlyexit import EarlyExit
from dfsubmit.scoring.rows import RowMaker


def maker(
    function: Aggregator = mean,
    bounds: Bounds | None = mean_bounds,
    failure_label: int = 0,
    **decision: Any,
) -> RowMaker:
    registered = RegisteredAggregator("rule", function, "tests", frozenset(), bounds)
    return RowMaker(
        BoundAggregator("rule", registered, {}), Decision("rule", **decision), failure_label
    )


def frames(*p_fake: float) -> list[FrameRecord]:
    return [FrameRecord(i, i / 10, (0, 0, 9, 9), 1.0, p) for i, p in enumerate(p_fake)]


def decided(maker: RowMaker, *p_fake: float, **changes: Any) -> FileResult:
    """The row of a file with these frames."""
    values: dict[str, Any] = {"status": Status.OK, "frames": frames(*p_fake), **changes}
    row = FileResult(filename="clip.mp4", **values)
    maker.decide(row)
    return row


def test_a_scored_file_gets_its_label() -> None:
    row = decided(maker(), 0.25, 0.875)
    assert (row.label, row.p_fake, row.bounds, row.error) == (1, 0.5625, None, "")


@pytest.mark.parametrize("failure_label", [0, 1])
@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
def test_a_failure_has_the_failure_label_and_no_score(status: Status, failure_label: int) -> None:
    row = decided(maker(failure_label=failure_label), 0.9, status=status, error="why")
    assert (row.status, row.label, row.p_fake, row.error) == (status, failure_label, None, "why")


def test_the_threshold_decides() -> None:
    assert decided(maker(threshold=0.6), 0.6).label == 0
    assert decided(maker(threshold=0.59), 0.6).label == 1


def test_the_temperature_is_applied_to_each_frame() -> None:
    # sigmoid(logit(0.9) / 2) = 0.75; the frames on record stay as the model gave them.
    row = decided(maker(temperature=2.0), 0.9, 0.5)
    assert row.p_fake == pytest.approx((0.75 + 0.5) / 2)
    assert [frame.p_fake for frame in row.frames] == [0.9, 0.5]


def test_an_aggregator_that_fails_is_replaced_and_noted() -> None:
    row = decided(maker(lambda scores: float("nan")), 0.2, 0.4)
    assert row.p_fake == pytest.approx(0.3)
    assert row.aggregator_fallback
    assert "nan" in row.error


def test_an_early_exit_reports_bounds_in_place_of_a_score() -> None:
    row = decided(maker(), 1.0, 1.0, frames_skipped=1)
    assert row.p_fake is None
    assert row.bounds == pytest.approx((2 / 3, 1.0))
    assert row.label == 1


def test_bounds_are_those_of_tempered_frames() -> None:
    row = decided(maker(temperature=2.0), 0.9, 0.9, frames_skipped=2)
    assert row.bounds == pytest.approx((0.375, 0.875))


def test_a_row_is_decided_anew_with_another_rule() -> None:
    row = decided(maker(lambda scores: float("nan")), 0.2, 0.8, frames_skipped=1)
    maker(lambda scores: float(scores.p_fake.max()), None, threshold=0.7).decide(row)
    assert (row.label, row.error, row.aggregator_fallback) == (1, "", False)
    row.frames_skipped = 0
    maker(lambda scores: float(scores.p_fake.min())).decide(row)
    assert (row.label, row.p_fake, row.bounds) == (0, 0.2, None)


def test_a_failed_row_stays_failed() -> None:
    row = decided(maker(failure_label=0), status=Status.NO_FACE, error="no face")
    maker(failure_label=1).decide(row)
    assert (row.status, row.label, row.error) == (Status.NO_FACE, 1, "no face")


def test_grants_follow_the_tempered_scores() -> None:
    seen, early_exit = frames(*[0.99] * 12), EarlyExit(active=True)
    assert early_exit.more(maker(), seen, 8) == 0
    # At this temperature 0.99 becomes 0.61: 12 of 20 such frames settle nothing.
    assert early_exit.more(maker(temperature=10.0), seen, 8) > 0


@pytest.mark.parametrize(
    ("wanted", "bounds", "active"),
    [(True, mean_bounds, True), (True, None, False), (False, mean_bounds, False)],
)
def test_early_exit_needs_bounds_and_otherwise_changes_nothing(
    wanted: bool, bounds: Bounds | None, active: bool
) -> None:
    rows = maker(bounds=bounds)
    early_exit = EarlyExit.for_run(wanted, rows.aggregator)
    assert early_exit.active is active
    assert early_exit.first_grant == (0 if active else None)
    assert early_exit.spare_workers == int(active)
    assert bool(early_exit.conditions(rows)) is active
