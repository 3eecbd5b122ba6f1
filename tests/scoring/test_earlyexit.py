"""An early exit never changes a label: held against full runs over random scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfsubmit.hooks.interfaces import BoundAggregator, RegisteredAggregator
from dfsubmit.records import FrameScores
from dfsubmit.scoring.aggregate import label_for, mean, mean_bounds
from dfsubmit.scoring.earlyexit import decided, next_grant

MEAN = BoundAggregator(
    "mean", RegisteredAggregator("mean", mean, "tests", frozenset(), mean_bounds), {}
)
UNBOUNDED = BoundAggregator("x", RegisteredAggregator("x", mean, "tests", frozenset()), {})
# None is a frame without a face. Ends, ties and multiples of a tenth, where rounding bites.
FRAME = st.none() | st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]) | st.floats(0, 1)
THRESHOLD = st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]) | st.floats(0, 1)


def visit(
    make_scores: Callable[..., FrameScores],
    frames: list[float | None],
    threshold: float,
    aggregator: BoundAggregator = MEAN,
) -> tuple[list[float], int]:
    """Visit frames as the engine does; what was seen, and how many frames were left."""
    seen: list[float] = []
    done = 0
    while done < len(frames):
        grant = next_grant(aggregator.bounds, make_scores(*seen), len(frames) - done, threshold)
        assert 0 <= grant <= len(frames) - done
        if grant == 0:
            break
        seen += [p for p in frames[done : done + grant] if p is not None]
        done += grant
    return seen, len(frames) - done


@settings(max_examples=300)
@given(st.lists(FRAME, min_size=1, max_size=40), THRESHOLD, st.randoms(use_true_random=False))
def test_the_label_is_that_of_the_full_run(
    make_scores: Callable[..., FrameScores],
    frames: list[float | None],
    threshold: float,
    random: Any,
) -> None:
    seen, left = visit(make_scores, frames, threshold)
    everything = [p for p in frames if p is not None]
    # With no face anywhere there is no label, and every frame has to be looked at to know.
    assert bool(seen) == bool(everything)
    if not everything:
        assert left == 0
        return
    # A full run has its frames in order of time, not in the order of the visit.
    random.shuffle(everything)
    full = label_for(mean(make_scores(*everything)), threshold)
    assert label_for(mean(make_scores(*seen)), threshold) == full
    if left:
        low, high = mean_bounds(make_scores(*seen), left)
        assert decided(low, high, threshold)
        assert low - 1e-9 <= mean(make_scores(*everything)) <= high + 1e-9


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_agreeing_frames_are_left_after_about_half(
    make_scores: Callable[..., FrameScores], certain: float
) -> None:
    seen, left = visit(make_scores, [certain] * 40, 0.5)
    assert 20 <= len(seen) <= 21
    assert len(seen) + left == 40


def test_undecided_frames_are_all_visited(make_scores: Callable[..., FrameScores]) -> None:
    assert visit(make_scores, [0.45, 0.55] * 20, 0.5)[1] == 0


def test_the_first_grant_is_the_fewest_that_could_settle(
    make_scores: Callable[..., FrameScores],
) -> None:
    assert next_grant(MEAN.bounds, make_scores(), 40, 0.5) in (20, 21)
    # A low threshold is passed early: 5 certain frames of 40 already make a mean over 0.1.
    assert next_grant(MEAN.bounds, make_scores(), 40, 0.1) == 5


def test_nothing_left_needs_nothing(make_scores: Callable[..., FrameScores]) -> None:
    assert next_grant(MEAN.bounds, make_scores(0.5), 0, 0.5) == 0


def test_without_bounds_every_frame_is_granted(make_scores: Callable[..., FrameScores]) -> None:
    assert next_grant(UNBOUNDED.bounds, make_scores(0.0), 39, 0.5) == 39
    assert visit(make_scores, [0.0] * 40, 0.5, UNBOUNDED)[1] == 0


@pytest.mark.parametrize(
    ("low", "high", "threshold", "expected"),
    [
        (0.1, 0.5, 0.5, True),
        (0.1, 0.51, 0.5, False),
        (0.51, 0.9, 0.5, True),
        (0.0, 1.0, 0.0, False),
    ],
)
def test_decided_means_one_label(low: float, high: float, threshold: float, expected: bool) -> None:
    assert decided(low, high, threshold) is expected


def test_rounding_cannot_settle_a_label(make_scores: Callable[..., FrameScores]) -> None:
    # 0.1 + 0.2 + 0.3 is a little more than 0.3 + 0.2 + 0.1, the order that a full run may have.
    threshold = 0.6 / 6
    assert mean_bounds(make_scores(0.1, 0.2, 0.3), 3)[0] > threshold
    assert label_for(mean(make_scores(0.3, 0.2, 0.1, 0.0, 0.0, 0.0)), threshold) == 0
    assert next_grant(MEAN.bounds, make_scores(0.1, 0.2, 0.3), 3, threshold) > 0
