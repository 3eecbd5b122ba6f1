"""The margin: what settles a label, held against random scores."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfsubmit.hooks.interfaces import BoundAggregator, RegisteredAggregator
from dfsubmit.records import FileResult, FrameRecord, FrameScores, Status
from dfsubmit.scoring.aggregate import label_for, mean, mean_bounds
from dfsubmit.scoring.conformal import conformal_bound
from dfsubmit.scoring.correction import corrected, sampling_order
from dfsubmit.scoring.decision import Decision
from dfsubmit.scoring.margin import FILES, FRAMES, SAMPLED, Margin
from dfsubmit.scoring.rows import RowMaker


def highest(scores: FrameScores) -> float:
    return float(scores.p_fake.max())


def maker(
    function: Callable[..., float] = mean, monotone: bool = True, **decision: Any
) -> RowMaker:
    properties = frozenset({"monotone"} if monotone else ())
    bounds = mean_bounds if function is mean else None
    registered = RegisteredAggregator("rule", function, "tests", properties, bounds)
    return RowMaker(BoundAggregator("rule", registered, {}), Decision("rule", **decision), 0)


def probability(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def result(rows: RowMaker, logits: Sequence[float], shifts: Sequence[float] = ()) -> FileResult:
    """A file with these logits in the quick precision; with shifts, in both."""
    quick = [probability(z) for z in logits]
    shown = [probability(z + d) for z, d in zip(logits, shifts, strict=True)] if shifts else quick
    frames = [FrameRecord(i, i / 10, (0, 0, 9, 9), 1.0, p) for i, p in enumerate(shown)]
    row = FileResult(filename="clip.mp4", status=Status.OK, frames=frames)
    row.quick = quick if shifts else None
    rows.decide(row)
    return row


def learned(rows: RowMaker, spread: float = 0.1) -> Margin:
    """A margin from shifts that fill -spread to spread."""
    margin = Margin(rows)
    for shift in np.linspace(-spread, spread, FRAMES):
        margin.learn(result(rows, [0.3], [float(shift)]))
    return margin


def test_it_is_unknown_until_enough_frames_were_seen() -> None:
    rows, margin = maker(), Margin(maker())
    for _ in range(FRAMES - 1):
        margin.learn(result(rows, [3.0], [0.1]))
    assert not margin.settles(result(rows, [9.0]))
    margin.learn(result(rows, [3.0], [0.1]))
    assert margin.settles(result(rows, [9.0]))
    assert margin.low == 0
    assert margin.high == pytest.approx(0.1)


@pytest.mark.parametrize("count", [10, 98, 99, 300, 1000])
@pytest.mark.parametrize("alpha", [0.01, 0.005])
def test_the_bound_has_the_rank_that_a_conformal_quantile_has(count: int, alpha: float) -> None:
    values = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    bound = conformal_bound(values, alpha)
    # A further value is equally likely in each of the count + 1 gaps.
    if bound == math.inf:
        assert 1 / (count + 1) > alpha
    else:
        assert (count - bound + 1) / (count + 1) <= alpha + 1e-12
        assert (count - bound + 2) / (count + 1) > alpha


def test_a_further_value_exceeds_it_as_rarely_as_promised() -> None:
    chance = np.random.default_rng(0)
    values = chance.standard_t(3, size=(4000, 101))
    exceeded = [row[-1] > conformal_bound(row[:-1], 0.05) for row in values]
    assert np.mean(exceeded) == pytest.approx(0.05, abs=0.012)


LOGITS = st.lists(st.floats(-3, 3), min_size=1, max_size=12)


@pytest.mark.parametrize("function", [mean, highest])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
@settings(max_examples=150)
@given(logits=LOGITS, threshold=st.floats(0.1, 0.9), random=st.randoms(use_true_random=False))
def test_a_settled_label_is_that_of_any_scores_within_the_margin(
    function: Callable[..., float],
    temperature: float,
    logits: list[float],
    threshold: float,
    random: Any,
) -> None:
    rows = maker(function, threshold=threshold, temperature=temperature)
    margin = learned(rows)
    quick = result(rows, logits)
    if not margin.settles(quick):
        return
    for ends in ((margin.low,), (margin.high,), (margin.low, margin.high)):
        shifts = [random.choice(ends) for _ in logits]
        assert result(rows, logits, shifts).label == quick.label


def test_what_is_near_the_threshold_is_not_settled() -> None:
    rows = maker()
    margin = learned(rows)
    assert margin.settles(result(rows, [0.11]))
    assert margin.settles(result(rows, [-0.11]))
    assert not margin.settles(result(rows, [0.09]))
    assert not margin.settles(result(rows, [-0.09]))
    # One frame near it is not the file near it.
    assert margin.settles(result(rows, [0.0, 3.0, 3.0]))


def test_it_only_grows() -> None:
    rows = maker()
    margin = learned(rows)
    before = margin.low, margin.high
    margin.learn(result(rows, [0.0, 0.1], [0.01, -0.01]))
    assert (margin.low, margin.high) == before
    # One frame far off moves the mean of forty little: the shift of all that has the same effect.
    margin.learn(result(rows, [0.0] * 40, [2.0] + [0.0] * 39))
    assert (margin.low, margin.high) == before
    margin.learn(result(rows, [0.0] * 40, [0.25] * 40))
    assert margin.low == before[0]
    assert margin.high == pytest.approx(0.25)
    margin.learn(result(rows, [1.0], [-0.5]))
    assert margin.low == pytest.approx(-0.5)


def test_an_aggregator_that_is_not_declared_monotone_is_bounded_by_files() -> None:
    rows = maker(monotone=False)
    margin = Margin(rows)
    for number in range(FILES):
        assert not margin.known
        margin.learn(result(rows, [0.0] * 40, [0.1 if number % 2 else -0.2] * 40))
    assert margin.high == -margin.low == pytest.approx(0.5 - probability(-0.2))
    reach = margin.reach(result(rows, [0.5]).frame_scores())
    assert reach == pytest.approx((probability(0.5) + margin.low, probability(0.5) + margin.high))


def test_frames_to_come_need_declared_bounds() -> None:
    margin = learned(maker(highest))
    scores = result(maker(highest), [2.0]).frame_scores()
    assert margin.reach(scores, 1) is None
    margin = learned(maker())
    low, high = margin.reach(scores, 1) or (0.0, 0.0)
    assert low == pytest.approx(probability(2.0 + margin.low) / 2)
    assert high == pytest.approx((probability(2.0 + margin.high) + 1) / 2)
    assert label_for(low) == 0


def file_of(rows: RowMaker, logits: Sequence[float], shifts: Sequence[float]) -> FileResult:
    """A file scored in both of which all but the first frames of the sampling order are
    estimated."""
    row = result(rows, logits, shifts)
    assert row.quick is not None
    order = sampling_order(row)
    scored = {place: row.frames[place].p_fake for place in order[:SAMPLED]}
    row.estimated = sorted(order[SAMPLED:])
    values = corrected(np.array(row.quick), scored)
    row.frames = [
        dataclasses.replace(frame, p_fake=float(p_fake))
        for frame, p_fake in zip(row.frames, values, strict=True)
    ]
    rows.decide(row)
    return row


def learned_from_clips(rows: RowMaker) -> Margin:
    """A margin from 30 clips of 12 frames, each with an offset of its own."""
    margin, chance = Margin(rows), np.random.default_rng(3)
    for _ in range(30):
        shifts = chance.uniform(-1, 1) + chance.uniform(-0.1, 0.1, 12)
        margin.learn(result(rows, chance.normal(0, 1, 12).tolist(), shifts.tolist()))
    return margin


def test_what_frames_of_a_clip_share_is_no_part_of_the_second_bound() -> None:
    rows = maker()
    margin = learned_from_clips(rows)
    assert margin.corrects
    assert 1.5 < margin.high - margin.low < 2.4
    assert 0.2 < margin.rest_high - margin.rest_low < 0.5
    doubtful = [0.5] * 12
    assert not margin.settles(result(rows, doubtful))
    settled = file_of(rows, doubtful, [-0.9] * 12)
    assert margin.settles(settled)
    assert settled.label == 0
    assert settled.p_fake == pytest.approx(probability(-0.4))
    assert not margin.settles(file_of(rows, doubtful, [-0.51] * 12))


def test_pictures_know_no_second_bound() -> None:
    margin = learned(maker())
    assert not margin.corrects
    assert margin.ends()["rest_high"] is None


@pytest.mark.parametrize("function", [mean, highest])
@settings(max_examples=150)
@given(
    logits=st.lists(st.floats(-1, 1), min_size=SAMPLED + 1, max_size=12),
    offset=st.floats(-1, 1),
    random=st.randoms(use_true_random=False),
)
def test_a_label_settled_in_part_is_that_of_any_rest_within_the_bound(
    function: Callable[..., float], logits: list[float], offset: float, random: Any
) -> None:
    rows = maker(function)
    margin = learned_from_clips(rows)
    row = file_of(rows, logits, [offset] * len(logits))
    if not margin.settles(row):
        return
    ends = (margin.rest_low, margin.rest_high)
    for choice in (ends[:1], ends[1:], ends):
        shifts = [
            offset + (random.choice(choice) if place in row.estimated else 0.0)
            for place in range(len(logits))
        ]
        assert result(rows, logits, shifts).label == row.label


def test_it_grows_by_what_a_clip_scored_in_part_shows() -> None:
    rows = maker()
    margin = learned_from_clips(rows)
    row = file_of(rows, [0.0] * 12, [2.5] * 12)
    # The frames that were not scored say nothing.
    row.frames = [
        dataclasses.replace(frame, p_fake=0.5) if place in row.estimated else frame
        for place, frame in enumerate(row.frames)
    ]
    rest = margin.rest_low, margin.rest_high
    margin.learn(row)
    assert margin.high == pytest.approx(2.5)
    assert (margin.rest_low, margin.rest_high) == rest
    # All but the first have another error than these.
    order = sampling_order(row)
    shifts = [0.0 if place in order[:SAMPLED] else 0.7 for place in range(12)]
    margin.learn(result(rows, [0.0] * 12, shifts))
    assert margin.rest_high == pytest.approx(0.7)
