"""What a rehearsed notebook left is judged on the labels, and said to be in-sample where it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from scores_samples import make_run

from dfsubmit.bundle.rehearse.options import RehearsalOptions
from dfsubmit.bundle.rehearse.outcome import check_outcome
from dfsubmit.bundle.rehearse.report import Check, Report
from dfsubmit.evaluation.labels import read_labels
from dfsubmit.output.scores import read_scores
from dfsubmit.scoring.decision import Decision, hash_names


@pytest.fixture
def options(tmp_path: Path) -> RehearsalOptions:
    return RehearsalOptions(tmp_path / "bundle", tmp_path, expected_files=700)


def rehearsed(work: Path, options: RehearsalOptions, decision: Decision) -> Report:
    """A report on 60 files, the notebook's run having decided so."""
    meta: dict[str, object] = {"decision": dataclasses.asdict(decision)}
    scores, labels = make_run(work, meta=meta)
    results = read_scores(scores)
    (work / "data").mkdir()
    for result in results:
        (work / "data" / result.filename).touch()
    rows = [f"{result.filename},{result.label}\n" for result in results]
    (work / "submission.csv").write_text("filename,label\n" + "".join(rows))
    report = Report("b", "0" * 64, "task", "2026-01-01T00:00:00+00:00", figures={"files": 60})
    check_outcome(report, work, options, read_labels(labels))
    return report


def check(report: Report, name: str) -> Check:
    return next(item for item in report.checks if item.name == name)


def test_hidden_files_are_forecast(tmp_path: Path, options: RehearsalOptions) -> None:
    report = rehearsed(tmp_path, options, Decision("mean"))
    assert check(report, "macro F1").status == "pass"
    assert report.figures["in_sample"] == 0
    line = check(report, "hidden macro F1")
    assert line.status == "pass"
    assert "on 700 hidden files" in line.detail
    assert "at 10%" in line.detail
    forecast = report.figures["macro_f1_forecast"]
    low, high = forecast["interval"]
    assert low < report.figures["macro_f1"] < high
    assert len(forecast["at_shares"]) == 5


def test_files_that_chose_the_threshold_are_named(
    tmp_path: Path, options: RehearsalOptions
) -> None:
    names = hash_names(["000.mp4", "001.mp4", "elsewhere.mp4"])
    report = rehearsed(tmp_path, options, Decision("mean", 1.0, 0.4, {"names": names}))
    line = check(report, "macro F1")
    assert line.status == "warn"
    assert "in-sample: the threshold was fitted on 2 of them" in line.detail
    assert report.figures["in_sample"] == 2
