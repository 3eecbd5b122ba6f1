"""`evaluate --errors`: the files to look at, what their scores show, and what to try."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from scores_samples import make_failure, make_result

from dfsubmit.cli import main
from dfsubmit.evaluation.labels import read_labels
from dfsubmit.evaluation.mistakes import AGREE, DISAGREE, FEW_FACES, SMALL, TRY, mistakes
from dfsubmit.output.scores import write_scores
from dfsubmit.records import FileResult, Status

LABELS = {
    "agree.mp4": "fake",
    "split.mp4": "real",
    "sure.mp4": "fake",
    "close.mp4": "fake",
    "closer.mp4": "real",
    "fine.mp4": "real",
    "nobody.mp4": "fake",
    "late.mp4": "real",
}


def small(result: FileResult) -> FileResult:
    frames = [dataclasses.replace(frame, box=(0, 0, 30, 30)) for frame in result.frames]
    return dataclasses.replace(result, frames=frames, frames_decoded=40)


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    replace = dataclasses.replace
    results = [
        make_result("agree.mp4", [0.2, 0.3, 0.25]),
        make_result("split.mp4", [0.1, 0.2, 0.9, 0.95, 0.9]),
        make_result("sure.mp4", [0.01, 0.02]),
        make_result("close.mp4", [0.56]),
        make_result("closer.mp4", [0.47]),
        make_result("fine.mp4", [0.1]),
        replace(make_failure("nobody.mp4"), error="no face in any frame"),
        replace(make_failure("late.mp4", status=Status.TIMEOUT), error="over 120 s"),
    ]
    for result in results:
        result.frames = [replace(frame, box=(0, 0, 90, 90)) for frame in result.frames]
    results[2] = small(results[2])
    path = tmp_path / "run.scores.jsonl"
    write_scores(path, results)
    rows = "".join(f"{name},{word}\n" for name, word in LABELS.items())
    (tmp_path / "labels.csv").write_text("filename,label\n" + rows)
    return path


def evaluate(path: Path, *more: str) -> str:
    arguments = ["evaluate", str(path), "--labels", str(path.with_name("labels.csv"))]
    result = CliRunner().invoke(main, [*arguments, "--samples", "100", *more])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_files_are_sorted_with_what_their_scores_show(scores: Path) -> None:
    found = mistakes(scores, read_labels(scores.with_name("labels.csv")), 10)
    assert [(item.filename, item.kinds) for item in found.wrong] == [
        ("sure.mp4", (FEW_FACES, SMALL)),
        ("agree.mp4", (AGREE,)),
        ("split.mp4", (DISAGREE,)),
    ]
    assert [item.why for item in found.wrong] == [
        "a face in 2 of 40 frames; faces 30 px wide",
        "its 3 frames say real",
        "3 of 5 frames above the threshold",
    ]
    assert [item.filename for item in found.close] == ["closer.mp4", "close.mp4"]
    assert [item.filename for item in found.unscored] == ["nobody.mp4", "late.mp4"]
    assert found.unscored[0].why == "no_face: no face in any frame"
    assert found.counts == {"wrong": 3, "close": 2, "unscored": 2}
    assert found.kinds[0] == "close"


def test_the_text_lists_them_and_says_what_to_try(scores: Path) -> None:
    text = evaluate(scores, "--errors", "1")
    assert "3 files with the wrong label, the surest first (2 more):" in text
    assert "sure.mp4" in text
    assert "split.mp4" not in text
    assert "2 files without a score" in text
    assert "What to try:" in text
    assert f"- {TRY['no_face']}" in text
    assert TRY[DISAGREE] not in text
    assert "wrong label" not in evaluate(scores)


def test_json_has_the_same(scores: Path) -> None:
    errors = json.loads(evaluate(scores, "--errors", "5", "--json"))["errors"]
    assert errors["counts"]["wrong"] == 3
    assert errors["wrong"][0]["p_fake"] == pytest.approx(0.015)
    assert json.loads(evaluate(scores, "--json"))["errors"] is None


def test_labels_alone_name_the_wrong_files_and_the_scores(scores: Path) -> None:
    rows = "".join(f"{name},0\n" for name in LABELS)
    submission = scores.with_name("run.csv")
    submission.write_text("filename,label\n" + rows)
    text = evaluate(submission, "--errors", "9")
    assert "4 files with the wrong label, without scores:" in text
    assert "the .scores.jsonl of the same run has reasons" in text


def test_every_status_but_ok_has_something_to_try() -> None:
    assert {status.value for status in Status} - {"ok"} <= set(TRY)
