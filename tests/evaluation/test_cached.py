"""Cached scores are aligned with the labels, and re-aggregated as the pipeline does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scores_samples import make_failure, make_result, make_run

from dfsubmit.errors import UsageError
from dfsubmit.evaluation.cached import (
    aggregate_run,
    predict,
    read_cached_run,
    same_files,
    thin,
)
from dfsubmit.evaluation.labels import LabelledFile, read_labels
from dfsubmit.hooks.interfaces import Aggregator, BoundAggregator, RegisteredAggregator
from dfsubmit.output.scores import write_scores
from dfsubmit.records import FrameScores, Status
from dfsubmit.scoring.aggregate import register_aggregators
from dfsubmit.scoring.decision import Decision


def bound(function: Aggregator, spec: str = "rule") -> BoundAggregator:
    return BoundAggregator(spec, RegisteredAggregator(spec, function, "tests", frozenset()), {})


def the_mean() -> BoundAggregator:
    found: list[BoundAggregator] = []

    def register(name: str, aggregator: Aggregator, **_: object) -> None:
        found.append(bound(aggregator, name))

    register_aggregators(register)
    return found[0]


def labelled(*names_and_labels: tuple[str, int]) -> dict[str, LabelledFile]:
    return {name: LabelledFile(name, label) for name, label in names_and_labels}


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "submission.scores.jsonl"
    write_scores(
        path,
        [
            make_result("a.mp4", [0.2, 0.4]),
            make_result("b.mp4", [0.9]),
            make_failure("c.mp4", label=1, status=Status.UNREADABLE),
            make_result("unlabelled.mp4", [0.5]),
        ],
    )
    return path


def test_files_follow_the_labels_and_unlabelled_ones_are_counted(scores: Path) -> None:
    run = read_cached_run(scores, labelled(("c.mp4", 1), ("a.mp4", 0), ("b.mp4", 1)))
    assert run.name == "submission"
    assert run.labels.tolist() == [1, 0, 1]
    assert run.unlabelled == 1
    assert run.failed == {"unreadable": 1}
    p_fake, fallbacks = aggregate_run(run, the_mean())
    np.testing.assert_allclose(p_fake, [1.0, 0.3, 0.9])
    assert fallbacks == 0


def test_labels_without_scores_are_ignored_and_counted(
    scores: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = read_cached_run(scores, labelled(("x.mp4", 0), ("a.mp4", 0), ("y.mp4", 1)))
    assert (run.files, run.labels.tolist()) == (("a.mp4",), [0])
    said = capsys.readouterr().err
    assert f"2 labels of files that {scores} does not have: ignored (x.mp4, y.mp4)" in said


def test_runs_of_different_labelled_files_are_not_compared(scores: Path, tmp_path: Path) -> None:
    labels = labelled(("a.mp4", 0), ("b.mp4", 1))
    other = tmp_path / "other.scores.jsonl"
    write_scores(other, [make_result("a.mp4", [0.3])])
    runs = [read_cached_run(path, labels) for path in (scores, other)]
    assert same_files(runs[:1]) == ("a.mp4", "b.mp4")
    with pytest.raises(UsageError, match=r"different labelled files: b\.mp4 is in one of them"):
        same_files(runs)


def test_scores_of_an_early_exit_are_refused(tmp_path: Path) -> None:
    result = make_result("a.mp4", [0.1])
    result.p_fake, result.frames_skipped = None, 3
    path = tmp_path / "submission.scores.jsonl"
    write_scores(path, [result])
    with pytest.raises(UsageError, match="early-exit"):
        read_cached_run(path, labelled(("a.mp4", 0)))


def test_an_aggregator_that_fails_is_replaced_by_the_mean_and_counted(scores: Path) -> None:
    def fails(scores: FrameScores) -> float:
        raise RuntimeError

    run = read_cached_run(scores, labelled(("a.mp4", 0), ("b.mp4", 1)))
    p_fake, fallbacks = aggregate_run(run, bound(fails))
    np.testing.assert_allclose(p_fake, [0.3, 0.9])
    assert fallbacks == 2


def test_temperature_acts_on_frames_before_they_are_aggregated(scores: Path) -> None:
    run = read_cached_run(scores, labelled(("a.mp4", 0)))
    p_fake, _ = aggregate_run(run, the_mean(), temperature=0.5)
    sharp = [1 / (1 + (0.8 / 0.2) ** 2), 1 / (1 + (0.6 / 0.4) ** 2)]
    assert p_fake[0] == pytest.approx(np.mean(sharp))


def test_thinning_keeps_frames_evenly_spread() -> None:
    scores = make_result("a.mp4", np.linspace(0, 1, 9).tolist()).frame_scores()
    assert thin(scores, 3).p_fake.tolist() == [0, 0.5, 1]
    assert thin(scores, 1).p_fake.tolist() == [0]
    assert len(thin(scores, 9)) == len(thin(scores, 100)) == len(thin(scores, None)) == 9


def test_failures_keep_their_label_at_any_threshold(scores: Path) -> None:
    run = read_cached_run(scores, labelled(("a.mp4", 0), ("c.mp4", 1)))
    p_fake, _ = aggregate_run(run, the_mean())
    assert predict(run, p_fake, 1.0).predicted.tolist() == [0, 1]
    assert predict(run, p_fake, 0.0).predicted.tolist() == [1, 1]
    assert predict(run, p_fake, 0.5).scored.tolist() == [True, False]


@pytest.mark.parametrize(
    ("meta", "spec", "expected"),
    [
        ({}, "mean", (1.0, 0.5)),
        # a calibrated model holds for its own aggregator alone
        (
            {"calibration": {"aggregator": "mean", "temperature": 2.0, "threshold": 0.4}},
            "mean",
            (2, 0.4),
        ),
        (
            {"calibration": {"aggregator": "mean", "temperature": 2.0, "threshold": 0.4}},
            "max",
            (1, 0.5),
        ),
        # the user's own threshold holds for every aggregator
        (
            {
                "calibration": {"aggregator": "mean", "temperature": 2.0, "threshold": 0.4},
                "threshold": 0.3,
            },
            "max",
            (1, 0.3),
        ),
    ],
)
def test_the_runs_own_decision(
    tmp_path: Path,
    meta: dict[str, Any],
    spec: str,
    expected: tuple[float, float] | tuple[int, float],
) -> None:
    scores, labels = make_run(tmp_path, meta=meta)
    run = read_cached_run(scores, read_labels(labels))
    assert run.decision(spec) == Decision(spec, *expected)
    assert run.decision(spec, 0.7).threshold == 0.7
