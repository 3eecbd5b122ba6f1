"""The drift alarm: it sounds where files look otherwise, and only in silence speaks of shares."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dfsubmit.evaluation.drift import drift
from dfsubmit.evaluation.reports import drift as report
from dfsubmit.evaluation.statistics import twosample
from dfsubmit.output.features import KeptRun


@pytest.fixture(autouse=True)
def _few_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twosample, "PERMUTATIONS", 60)


def kept(seed: int, shift: float = 0.0, n: int = 80) -> KeptRun:
    random = np.random.default_rng(seed)
    features = random.normal(shift, 1.0, size=(n, 6)).astype(np.float32)
    return KeptRun(features, random.uniform(size=n), {})


def test_files_alike_leave_it_quiet_and_their_share_is_estimated() -> None:
    found = drift(kept(1), kept(2))
    assert found.quiet
    assert found.share is not None
    value, (low, high) = found.share
    assert low < value < high
    text = report.as_text(found)
    assert "drift alarm: quiet" in text
    assert "no promise" in text
    assert f"{value:.2f}" in text
    data = json.loads(json.dumps(report.as_json(found)))
    assert (data["quiet"], data["share_of_fakes"]) == (True, value)
    assert data["files"] == {"reference": 80, "run": 80}


def test_other_files_raise_it_and_no_share_is_said() -> None:
    found = drift(kept(1, 1.0, 200), kept(2))
    assert not found.quiet
    assert found.told_apart.auc > 0.8
    assert found.share is None
    text = report.as_text(found)
    assert "RAISED" in text
    assert "Share of fakes" not in text
    assert "none was changed" in text
    assert report.as_json(found)["share_of_fakes"] is None


def test_after_an_early_exit_there_is_no_share() -> None:
    run = kept(1)
    run.p_fake[3] = np.nan
    found = drift(run, kept(2))
    assert found.quiet
    assert found.share is None
