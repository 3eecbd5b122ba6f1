"""The decision file: written, read back, refused when broken, ignored for other aggregators."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from dfsubmit.errors import ModelError
from dfsubmit.scoring.decision import (
    DECISION_FILE,
    Decision,
    decision_for,
    decision_of_run,
    hash_names,
    read_decision,
    temper,
    write_decision,
)


def test_is_read_back_as_written(tmp_path: Path) -> None:
    decision = Decision("topk:k=3", 1.7, 0.42, {"files": 12})
    path = write_decision(tmp_path, decision)
    assert path.name == DECISION_FILE
    assert json.loads(path.read_text())["version"] == 1
    assert read_decision(tmp_path) == decision


def test_no_file_is_the_plain_decision(tmp_path: Path) -> None:
    assert read_decision(tmp_path) is None
    assert decision_for(tmp_path, "max") == (Decision("max", 1.0, 0.5), "")


def test_holds_for_its_own_aggregator_only(tmp_path: Path) -> None:
    write_decision(tmp_path, Decision("mean", 2.0, 0.3))
    assert decision_for(tmp_path, "mean") == (Decision("mean", 2.0, 0.3), "")
    decision, warning = decision_for(tmp_path, "max")
    assert (decision.temperature, decision.threshold) == (1.0, 0.5)
    assert "'mean'" in warning
    assert "'max'" in warning


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"aggregator": "mean"}',
        '{"version": 2, "aggregator": "mean"}',
        '{"version": 1, "aggregator": "mean", "temperature": 0}',
        '{"version": 1, "aggregator": "mean", "temperature": NaN}',
        '{"version": 1, "aggregator": "mean", "threshold": 1.5}',
        '{"version": 1, "aggregator": "mean", "threshold": true}',
        '{"version": 1, "aggregator": "mean", "threshold": "0.5"}',
        '{"version": 1, "aggregator": "", "threshold": 0.5}',
        '{"version": 1, "aggregator": "mean", "thresold": 0.5}',
        '{"version": 1, "aggregator": "mean", "fitted_on": 7}',
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / DECISION_FILE).write_text(text)
    with pytest.raises(ModelError, match=DECISION_FILE):
        read_decision(tmp_path)


def test_it_knows_its_files_by_hashes_of_their_names() -> None:
    names = ["a.mp4", "b.mp4", "\udcff.jpg", "\ud800.jpg"]
    decision = Decision("mean", fitted_on={"names": hash_names(names)})
    assert decision.fitted_among(names) == 4
    assert decision.fitted_among(["b.mp4", "c.mp4"]) == 1
    assert "mp4" not in decision.fitted_on["names"]
    assert Decision("mean").fitted_among(names) == 0
    assert Decision("mean", fitted_on={"names": None}).fitted_among(names) == 0


def test_a_runs_metadata_tell_its_decision_or_nothing() -> None:
    decision = Decision("mean", 2.0, 0.3, {"files": 3})
    assert decision_of_run({"decision": dataclasses.asdict(decision)}) == decision
    for meta in ({}, {"decision": None}, {"decision": 3}, {"decision": {"threshold": 2}}):
        assert decision_of_run(meta) is None


def test_temperature_is_applied_to_the_log_odds() -> None:
    p = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    odds = 9 ** (1 / 2.5)
    np.testing.assert_allclose(
        temper(p, 2.5), [0, 1 / (1 + odds), 0.5, odds / (1 + odds), 1], rtol=1e-12
    )
    np.testing.assert_array_equal(Decision("mean").temper(p), p)
    np.testing.assert_allclose(temper(temper(p, 0.2), 5.0), p, atol=1e-12)
