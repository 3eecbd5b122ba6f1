"""Every rule keeps the contract, and gives the figure that its definition says."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import dfsubmit_aggregators
import numpy as np
import numpy.typing as npt
import pytest
from dfsubmit_aggregators import rules

from dfsubmit.hooks import Aggregator, FloatArray, FrameScores
from dfsubmit.hooks.specs import BUNDLED_AGGREGATORS, aggregator_parameters
from dfsubmit.hooks.testing import check_aggregator, registered_by, sample_scores

REGISTERED = registered_by(dfsubmit_aggregators).aggregators


def frames(*p_fake: float, **columns: npt.NDArray[Any]) -> FrameScores:
    n = len(p_fake)
    scores = FrameScores(
        p_fake=np.array(p_fake),
        times=np.arange(n, dtype=float),
        boxes=np.tile(np.array([0, 0, 10, 10]), (n, 1)),
        detection=np.ones(n),
    )
    return dataclasses.replace(scores, **columns)


def test_dfsubmit_knows_which_names_come_from_here() -> None:
    assert set(BUNDLED_AGGREGATORS) == set(REGISTERED)


@pytest.mark.parametrize("name", sorted(REGISTERED))
def test_keeps_the_contract(name: str) -> None:
    item = REGISTERED[name]
    check_aggregator(item.function, item.properties, item.bounds)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("topk", {"k": 1}),
        ("topk", {"k": 100}),
        ("trimmed-mean", {"cut": 0.49}),
        ("quantile", {"q": 0.0}),
        ("mean-max", {"w": 1.0}),
        ("vote", {"threshold": 0.9}),
        ("smoothed-max", {"window": 0.0}),
        ("smoothed-max", {"window": 1000.0}),
    ],
)
def test_keeps_the_contract_with_other_parameters(name: str, parameters: dict[str, float]) -> None:
    item = REGISTERED[name]
    check_aggregator(item.function, item.properties, item.bounds, **parameters)


@pytest.mark.parametrize("name", sorted(set(REGISTERED) - {"vote"}))
@pytest.mark.parametrize("p", [0.0, 0.137, 0.5, 1.0])
def test_one_frame_gives_its_own_probability(name: str, p: float) -> None:
    assert REGISTERED[name].function(frames(p)) == pytest.approx(p, abs=1e-12)


def test_twelve_rules_are_registered_and_in_the_readme() -> None:
    assert len(REGISTERED) == 12
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    for item in REGISTERED.values():
        defaults = ",".join(f"{k}={v}" for k, v in aggregator_parameters(item).items())
        spec = item.name + (f":{defaults}" if defaults else "")
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{spec}` |"))
        assert row.endswith("| yes |" if item.bounds else "| no |")


def test_median() -> None:
    assert rules.median(frames(0.1, 0.9, 0.2)) == 0.2
    assert rules.median(frames(0.1, 0.9, 0.2, 0.4)) == pytest.approx(0.3)


def test_logit_mean_pools_log_odds() -> None:
    # Odds of 1/9 and 9 cancel; odds of 9 and 9 stay.
    assert rules.logit_mean(frames(0.1, 0.9)) == pytest.approx(0.5)
    assert rules.logit_mean(frames(0.5, 0.9)) == pytest.approx(0.75)


def test_logit_mean_a_saturated_frame_is_no_veto() -> None:
    assert rules.logit_mean(frames(0.0, 0.99, 0.99, 0.99, 0.99, 0.99)) > 0.5


def test_trimmed_mean_rounds_the_cut_down() -> None:
    nine = [0.0, *[0.5] * 7, 1.0]
    assert rules.trimmed_mean(frames(*nine), cut=0.1) == pytest.approx(np.mean(nine))
    ten = [0.0, *[0.5] * 7, 0.9, 1.0]
    assert rules.trimmed_mean(frames(*ten), cut=0.1) == pytest.approx(np.mean(ten[1:-1]))


def test_topk() -> None:
    assert rules.topk(frames(0.1, 0.9, 0.2, 0.7), k=2) == pytest.approx(0.8)
    assert rules.topk(frames(0.1, 0.9), k=5) == pytest.approx(0.5)


def test_maximum_and_quantile() -> None:
    assert rules.maximum(frames(0.1, 0.9, 0.2)) == 0.9
    assert rules.quantile(frames(0.0, 0.4, 0.8, 1.0), q=0.5) == pytest.approx(0.6)


def test_mean_max() -> None:
    assert rules.mean_max(frames(0.1, 0.9, 0.2), w=0.4) == pytest.approx(0.6 * 0.4 + 0.4 * 0.9)


def test_vote_counts_frames_strictly_above() -> None:
    assert rules.vote(frames(0.5, 0.51, 0.9, 0.1)) == 0.5


def test_confident_follows_the_sure_frames() -> None:
    # 13 of 32 are more than 32 // 2.5 = 12: their mean alone counts.
    assert rules.confident(frames(*[0.9] * 13, *[0.5] * 19)) == pytest.approx(0.9)
    assert rules.confident(frames(*[0.9] * 12, *[0.5] * 20)) == pytest.approx(
        (12 * 0.9 + 20 * 0.5) / 32
    )
    assert rules.confident(frames(*[0.1] * 19, 0.7)) == pytest.approx(0.1)
    assert rules.confident(frames(*[0.1] * 18, 0.7, 0.7)) == pytest.approx((1.8 + 1.4) / 20)


def test_confident_is_the_winners_rule_on_his_32_frames() -> None:
    def original(pred: FloatArray, t: float = 0.8) -> float:
        sure = [p for p in pred if p > t]
        if len(sure) > len(pred) // 2.5 and len(sure) > 11:
            return float(np.mean(sure))
        calm = [p for p in pred if p < 0.2]
        return float(np.mean(calm) if len(calm) > 0.9 * len(pred) else np.mean(pred))

    random = np.random.default_rng(1)
    for shape in (0.1, 0.3, 1.0):
        for lean in (0.1, 1.0, 3.0):
            p = random.beta(shape * lean, shape, size=32)
            assert rules.confident(frames(*p)) == pytest.approx(original(p))


def test_weights() -> None:
    detection = np.array([3.0, 1.0])
    assert rules.detection_weighted(frames(1.0, 0.0, detection=detection)) == pytest.approx(0.75)
    boxes = np.array([[0, 0, 10, 20], [5, 5, 15, 45]])
    assert rules.face_size_weighted(frames(1.0, 0.0, boxes=boxes)) == pytest.approx(1 / 3)


@pytest.mark.parametrize("useless", [[0.0, 0.0], [-1.0, -2.0], [np.nan, np.inf]])
def test_useless_weights_mean_equal_weights(useless: list[float]) -> None:
    assert rules.detection_weighted(frames(1.0, 0.0, detection=np.array(useless))) == 0.5


def test_smoothed_max_wants_a_passage_not_a_frame() -> None:
    times = np.arange(6) * 0.5
    lone = frames(0.0, 0.0, 0.9, 0.0, 0.0, 0.0, times=times)
    passage = frames(0.0, 0.0, 0.6, 0.6, 0.6, 0.0, times=times)
    assert rules.smoothed_max(lone, window=1.0) == pytest.approx(0.3)
    assert rules.smoothed_max(passage, window=1.0) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("rule", "parameters"),
    [
        (rules.topk, {"k": 0}),
        (rules.trimmed_mean, {"cut": 0.5}),
        (rules.mean_max, {"w": 1.1}),
        (rules.vote, {"threshold": 1.0}),
        (rules.smoothed_max, {"window": -1.0}),
        (rules.quantile, {"q": 1.5}),
    ],
)
def test_impossible_parameters_are_refused(rule: Aggregator, parameters: dict[str, float]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is numpy's own for one of them
        rule(frames(0.5, 0.6), **parameters)


def test_samples_cover_single_frames_and_extremes() -> None:
    sizes = {len(scores) for scores in sample_scores()}
    assert {1, 2, 64} <= sizes
    assert any((scores.p_fake == 0).any() for scores in sample_scores())
