"""Before a submission it is said what is expected of it, or that it was not measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfsubmit.bundle.rehearse.report import Report
from dfsubmit.bundle.submit.evidence import Evidence, expectations, read_json
from dfsubmit.errors import UsageError

COMPARISON = {
    "aggregators": [
        {"aggregator": "mean", "source": "a", "frames": None, "macro_f1": 0.6, "ci": [0.5, 0.7]},
        {"aggregator": "max", "source": "a", "frames": None, "macro_f1": 0.5, "ci": [0.4, 0.6]},
    ]
}
STRESS = {
    "clean": {"variant": "clean", "macro_f1": 0.6},
    "variants": [
        {"variant": "x264-c40", "macro_f1": 0.31},
        {"variant": "blur", "macro_f1": 0.4},
    ],
}


def test_everything_measured() -> None:
    rehearsal = Report("b", "0" * 64, "task", "2026-01-01T00:00:00+00:00")
    rehearsal.figures = {"macro_f1": 0.62, "macro_f1_ci": [0.52, 0.71], "labelled": 58}
    lines = expectations(Evidence(rehearsal, COMPARISON, STRESS), "max")
    assert lines == [
        "macro F1 on labelled data: 0.6200, 95 % interval 0.5200 to 0.7100, 58 labelled files",
        "macro F1 in the comparison: 0.5000, 95 % interval 0.4000 to 0.6000",
        "worst of stress: 0.3100 under x264-c40; 0.6000 on the clean files",
    ]


def test_what_was_judged_on_its_own_files_is_called_in_sample() -> None:
    rehearsal = Report("b", "0" * 64, "task", "2026-01-01T00:00:00+00:00")
    rehearsal.figures = {"macro_f1": 0.6, "macro_f1_ci": [0.5, 0.7], "labelled": 8, "in_sample": 5}
    rows = [{**COMPARISON["aggregators"][0], "in_sample": 5}]
    lines = expectations(Evidence(rehearsal, {"aggregators": rows}), "mean")
    assert all(
        line.endswith("in-sample: the threshold was fitted on 5 of them") for line in lines[:2]
    )


def test_nothing_measured_is_said() -> None:
    lines = expectations(Evidence(), "mean")
    assert len(lines) == 3
    assert all("not measured" in line or "not given" in line for line in lines)


def test_an_aggregator_that_was_not_compared_is_said() -> None:
    lines = expectations(Evidence(comparison=COMPARISON), "topk:k=5")
    assert lines[1].endswith("topk:k=5 is not in it")


def test_several_runs_are_told_apart() -> None:
    rows = [*COMPARISON["aggregators"], {**COMPARISON["aggregators"][0], "frames": 8}]
    line = expectations(Evidence(comparison={"aggregators": rows}), "mean")[1]
    assert "(a, all frames)" in line
    assert "(a, 8 frames)" in line


@pytest.mark.parametrize(
    "evidence", [Evidence(comparison={"files": 3}), Evidence(stress={"variants": []})]
)
def test_another_commands_json_is_refused(evidence: Evidence) -> None:
    with pytest.raises(UsageError, match="not the output of"):
        expectations(evidence, "mean")


def test_files_that_are_no_json_object_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "stress.json"
    assert read_json(None) is None
    for text in ("{", json.dumps([1])):
        path.write_text(text)
        with pytest.raises(UsageError, match=r"stress\.json"):
            read_json(path)
