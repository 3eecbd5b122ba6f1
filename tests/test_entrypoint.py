"""The competition's entry point: a submission, or an exception that ends the notebook."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dfsubmit.entrypoint import main
from dfsubmit.errors import DfsubmitError, ModelError
from dfsubmit.output.submission import validate_submission

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def competition(
    samples: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A working folder as the server lays it out."""
    (tmp_path / "data").mkdir()
    shutil.copy(samples / "face.jpg", tmp_path / "data")
    shutil.copytree(tiny_model, tmp_path / "model" / "demo")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_defaults_are_the_contracts(competition: Path) -> None:
    summary = main()
    assert validate_submission("submission.csv", "data") == []
    assert summary.meta["model"]["name"] == "demo"
    assert summary.meta["time_limit"] == 165 * 60


def test_the_environment_sets_what_the_cell_does_not(
    competition: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFSUBMIT_TIME_LIMIT", "10m")
    monkeypatch.setenv("DFSUBMIT_TTA", "none")
    monkeypatch.setenv("DFSUBMIT_FALLBACK", "model/demo")
    summary = main(tta="flip")
    assert summary.meta["time_limit"] == 600
    assert summary.meta["tta"] == "flip"


def test_a_model_that_is_not_there_raises_and_nothing_else_is_loaded(
    competition: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFSUBMIT_FALLBACK", str(competition / "model" / "demo"))
    with pytest.raises(ModelError, match="there is no model"):
        main(model="./model/other")
    assert not Path("submission.csv").exists()


def test_two_models_leave_open_which_one(competition: Path) -> None:
    shutil.copytree("model/demo", "model/second")
    with pytest.raises(ModelError, match="more than one model"):
        main()


def test_not_one_file_scored_raises_with_the_submission_written(competition: Path) -> None:
    (competition / "data" / "face.jpg").write_text("no picture")
    with pytest.raises(DfsubmitError, match="no file was scored: 1"):
        main()
    assert validate_submission("submission.csv", "data") == []


@pytest.mark.slow
def test_the_script_ignores_a_kernels_arguments(competition: Path) -> None:
    script = REPOSITORY / "submit" / "task.py"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, str(script), "-f", "kernel-1.json", "--output", "out.csv"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert validate_submission("out.csv", "data") == []


def test_the_script_offers_main() -> None:
    names = runpy.run_path(str(REPOSITORY / "submit" / "task.py"), run_name="task")
    assert names["main"] is main
