"""Calibration: a fitted decision in the model folder, judged out of fold."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scores_samples import MEAN, make_failure, make_result, make_run

from dfsubmit.cli import main
from dfsubmit.errors import UsageError
from dfsubmit.evaluation.cached import aggregate_run, read_cached_run
from dfsubmit.evaluation.calibrate import TEMPERATURES, Calibration, calibrate
from dfsubmit.evaluation.labels import read_labels
from dfsubmit.intervals.groups import group_numbers
from dfsubmit.models.folder import open_model
from dfsubmit.output.scores import write_scores
from dfsubmit.scoring.decision import DECISION_FILE, Decision, read_decision


def calibrated(scores: Path, labels: Path) -> Calibration:
    rows = read_labels(labels)
    groups = group_numbers([row.group for row in rows.values()])
    return calibrate(read_cached_run(scores, rows), MEAN, groups)


def test_temperature_one_is_tried_exactly() -> None:
    assert 1.0 in TEMPERATURES


def test_a_shifted_model_is_put_right_out_of_fold(tmp_path: Path) -> None:
    calibration = calibrated(*make_run(tmp_path, n=200, shift=0.3))
    assert calibration.before["macro_f1"] < 0.6
    assert calibration.after["macro_f1"] > 0.7
    assert calibration.gain_interval[0] > 0
    assert 0.6 < calibration.decision.threshold < 0.95
    assert calibration.decision.fitted_on["files"] == 200


def test_overconfidence_is_found(tmp_path: Path) -> None:
    # Frames whose log-odds are four times too large: the truth is temperature 4.
    random = np.random.default_rng(0)
    results, rows = [], ["filename,label"]
    for number in range(600):
        logit = random.normal(0, 1.5)
        label = int(random.uniform() < 1 / (1 + np.exp(-logit)))
        p = 1 / (1 + np.exp(-4 * logit))
        results.append(make_result(f"{number}.mp4", [float(p)]))
        rows.append(f"{number}.mp4,{label}")
    scores, labels = tmp_path / "x.scores.jsonl", tmp_path / "labels.csv"
    write_scores(scores, results)
    labels.write_text("\n".join(rows) + "\n")
    calibration = calibrated(scores, labels)
    assert calibration.decision.temperature == pytest.approx(4, rel=0.25)
    assert calibration.after["log_loss"] < calibration.before["log_loss"] - 0.1
    assert calibration.after["ece"] < calibration.before["ece"]


def test_noise_gains_nothing_out_of_fold(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    results = [make_result(f"{n}.mp4", [random.uniform()]) for n in range(200)]
    scores, labels = tmp_path / "x.scores.jsonl", tmp_path / "labels.csv"
    write_scores(scores, results)
    rows = [f"{n}.mp4,{random.integers(0, 2)}" for n in range(200)]
    labels.write_text("\n".join(["filename,label", *rows]) + "\n")
    calibration = calibrated(scores, labels)
    assert calibration.gain_interval[0] <= 0
    assert not calibration.gains


def test_failed_files_are_judged_but_not_fitted(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path, n=80)
    alone = calibrated(scores, labels)
    with scores.open("a") as stream:
        for number in range(20):
            stream.write(json.dumps(make_failure(f"failed{number}", 0).to_json()) + "\n")
    with labels.open("a") as stream:
        stream.writelines(f"failed{number},1,h{number},\n" for number in range(20))
    calibration = calibrated(scores, labels)
    assert calibration.files == alone.files == 80
    assert (calibration.decision.temperature, calibration.decision.threshold) == (
        alone.decision.temperature,
        alone.decision.threshold,
    )
    assert calibration.after["macro_f1"] < alone.after["macro_f1"]


def test_too_few_groups_are_an_error(tmp_path: Path) -> None:
    scores, labels = tmp_path / "x.scores.jsonl", tmp_path / "labels.csv"
    write_scores(scores, [make_result("a", [0.1]), make_result("b", [0.9]), make_failure("c", 0)])
    labels.write_text("filename,label\na,0\nb,1\nc,1\n")
    with pytest.raises(UsageError, match="two groups"):
        calibrated(scores, labels)
    labels.write_text("filename,label\na,1\nb,1\nc,0\n")
    with pytest.raises(UsageError, match="both classes"):
        calibrated(scores, labels)


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model, tmp_path / "model")


def invoke(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["calibrate", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def test_the_command_writes_the_decision_beside_the_model(tmp_path: Path, model: Path) -> None:
    meta: dict[str, object] = {"aggregator": "mean", "model": {"sha256": open_model(model).sha256}}
    scores, labels = make_run(tmp_path, n=100, shift=0.3, meta=meta)
    arguments = (scores, "--labels", labels, "--model", model)
    data = json.loads(invoke(*arguments, "--json").stdout)
    decision = read_decision(model)
    assert decision is not None
    assert decision == Decision("mean", data["temperature"], data["threshold"], decision.fitted_on)
    assert data["after_out_of_fold"]["macro_f1"] > data["before"]["macro_f1"]
    assert decision.fitted_among(read_labels(labels)) == 100
    assert data["written"]
    # The decision is no part of what identifies the model, so it can be fitted again.
    text = invoke(*arguments).output
    assert "larger than chance" in text
    assert f"it replaces temperature {decision.temperature:.3g}" in text
    assert f"to undo it: rm {model / DECISION_FILE}" in text


def test_a_gain_that_may_be_chance_is_written_only_by_force(tmp_path: Path, model: Path) -> None:
    scores, labels = make_run(tmp_path, meta={"model": {"sha256": open_model(model).sha256}})
    arguments = (scores, "--labels", labels, "--model", model)
    data = json.loads(invoke(*arguments, "--json").stdout)
    assert data["gain_ci"][0] <= 0
    assert not data["written"]
    assert read_decision(model) is None
    assert "not written with --dry-run" in invoke(*arguments, "--force", "--dry-run").output
    assert read_decision(model) is None
    assert "not written (--force" in invoke(*arguments).output
    assert "to undo it" in invoke(*arguments, "--force").output
    assert read_decision(model) is not None


def test_scores_of_another_model_are_refused(tmp_path: Path, model: Path) -> None:
    scores, labels = make_run(tmp_path, meta={"model": {"sha256": "0" * 64}})
    result = invoke(scores, "--labels", labels, "--model", model, code=2)
    assert "another model" in result.output
    assert read_decision(model) is None


def test_a_decision_that_cannot_be_written_is_not_fitted_first(tmp_path: Path, model: Path) -> None:
    scores, labels = make_run(tmp_path, meta={"model": {"sha256": open_model(model).sha256}})
    os.mkfifo(model / DECISION_FILE)
    result = invoke(scores, "--labels", labels, "--model", model, code=2)
    assert "no regular file" in result.output


def test_scores_without_metadata_may_be_of_any_model(tmp_path: Path, model: Path) -> None:
    scores, labels = make_run(tmp_path)
    (tmp_path / "submission.meta.json").unlink()
    result = invoke(scores, "--labels", labels, "--model", model, code=2)
    assert "submission.meta.json" in result.output
    assert read_decision(model) is None


def test_the_written_decision_gives_the_fitted_labels(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path, n=100, shift=0.3)
    decision = calibrated(scores, labels).decision
    run = read_cached_run(scores, read_labels(labels))
    p_fake, _ = aggregate_run(run, MEAN, decision.temperature)
    predicted = p_fake > decision.threshold
    assert (predicted == run.labels).mean() > 0.7
