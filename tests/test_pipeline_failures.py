"""What a run does when something fails on the way: nothing is guessed, nothing is hidden."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from dfsubmit import DfsubmitError, RunOptions, run, validate_submission
from dfsubmit.errors import Exit, ModelError
from dfsubmit.scoring.decision import DECISION_FILE
from dfsubmit.workers.pool import WorkerPool

pytestmark = pytest.mark.slow

# A model on a "GPU" whose memory is too small for one face, until it moves to the CPU. There it
# scores by brightness, for as many calls as its folder says.
CRAMPED_LOADER = """
import json
import numpy as np
from dfsubmit import hookimpl
from dfsubmit.errors import DeviceOutOfMemory, DfsubmitError
from dfsubmit.faces.preprocess import Preprocessor

class Cramped:
    id2label = {0: "Real", 1: "Fake"}
    preprocessor = Preprocessor(height=4, width=4)
    device, precision = "cuda:0", "fp16"
    def __init__(self, gpu_calls, cpu_calls):
        self.gpu_calls, self.cpu_calls = gpu_calls, cpu_calls
    def logits(self, pixels):
        if self.device == "cuda:0":
            self.gpu_calls -= 1
            if self.gpu_calls < 0:
                raise DeviceOutOfMemory("out of memory")
        else:
            self.cpu_calls -= 1
            if self.cpu_calls < 0:
                raise DfsubmitError("the power has gone")
        bright = pixels.reshape(len(pixels), -1).mean(axis=1) / 255
        return np.stack([0 * bright, bright], axis=1).astype(np.float32)
    def fall_back_to_cpu(self):
        self.device, self.precision = "cpu", "fp32"
        return True

class Loader:
    def rank(self, request):
        return 99
    def load(self, request):
        calls = json.loads((request.folder / "calls.json").read_text())
        model = Cramped(calls.pop("gpu"), calls.pop("cpu"))
        vars(model).update(calls)
        return model

@hookimpl
def register_model_loaders(register):
    register("cramped", Loader())
"""


@pytest.fixture
def data(samples: Path, tmp_path: Path) -> Path:
    """A folder with three pictures of a face."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("face.jpg", "face.png", "grey.png"):
        shutil.copy(samples / name, folder / name)
    return folder


@pytest.fixture
def cramped(model_folder: Path, data: Path, tmp_path: Path) -> Any:
    """``cramped(gpu=1, cpu=9)``: options of a run whose model has so many calls in it, and further
    attributes."""

    def options(gpu: int, cpu: int, **more: str) -> RunOptions:
        (tmp_path / "plugins").mkdir(exist_ok=True)
        (tmp_path / "plugins" / "cramped.py").write_text(CRAMPED_LOADER)
        (model_folder / "calls.json").write_text(json.dumps({"gpu": gpu, "cpu": cpu, **more}))
        return RunOptions(
            model_folder,
            data,
            tmp_path / "s.csv",
            fallback=None,
            batch_size=1,
            workers=1,
            plugins_dir=(str(tmp_path / "plugins"),),
            progress=False,
        )

    return options


def test_a_move_to_the_cpu_is_announced_and_recorded(cramped: Any) -> None:
    said: list[str] = []
    summary = run(cramped(gpu=1, cpu=9), say=said.append)
    assert summary.failed == 0
    assert (summary.meta["device"], summary.meta["precision"]) == ("cpu", "fp32")
    (warning,) = (text for text in summary.meta["warnings"] if "memory" in text)
    assert "cuda:0, fp16" in warning
    assert "cpu, fp32" in warning
    assert f"warning: {warning}" in said


def test_a_resumed_run_does_not_mix_the_gpus_scores_with_the_cpus(
    cramped: Any, tmp_path: Path
) -> None:
    with pytest.raises(DfsubmitError, match="the power has gone"):
        run(cramped(gpu=1, cpu=1))
    lines = (tmp_path / "s.journal.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines if line]
    devices = [entry["conditions"]["device"] for entry in entries if "conditions" in entry]
    assert devices == ["cuda:0", "cpu"]
    # This time the memory is there. Only the file that the GPU had scored is taken over.
    resumed = run(cramped(gpu=9, cpu=0))
    assert (resumed.meta["resumed"], resumed.failed) == (1, 0)
    assert resumed.meta["device"] == "cuda:0"


@pytest.mark.parametrize(("graph", "resumed"), [("first", 1), ("second", 0)])
def test_a_resumed_run_does_not_mix_two_int8_graphs(cramped: Any, graph: str, resumed: int) -> None:
    with pytest.raises(DfsubmitError, match="the power has gone"):
        run(cramped(gpu=1, cpu=0, precision="int8", arithmetic="first"))
    summary = run(cramped(gpu=9, cpu=0, precision="int8", arithmetic=graph))
    assert (summary.meta["resumed"], summary.failed) == (resumed, 0)


def test_files_added_and_removed_meanwhile_are_named_and_the_next_run_sees_to_them(
    cramped: Any, data: Path
) -> None:
    options = cramped(gpu=9, cpu=0)

    def say(line: str) -> None:
        if "is fake" in line:  # the folder has been listed
            shutil.copy(data / "face.png", data / "added.png")
            (data / "grey.png").unlink()

    summary = run(options, say)
    problems = validate_submission(options.output, data)
    assert len(problems) == 2
    (warning,) = (text for text in summary.meta["warnings"] if "as it was" in text)
    for problem, name in zip(problems, ("added.png", "grey.png"), strict=True):
        assert name in problem
        assert problem in warning
    assert summary.exit_code == Exit.FAILED_CHECK
    again = run(options)
    assert (again.exit_code, again.meta["resumed"], len(again.results)) == (0, 2, 3)
    assert validate_submission(options.output, data) == []
    assert not options.output.with_name("s.journal.jsonl").exists()


def test_a_data_folder_that_goes_away_ends_no_run(cramped: Any, data: Path) -> None:
    def say(line: str) -> None:
        if "is fake" in line:
            data.rename(data.with_name("gone"))

    summary = run(cramped(gpu=9, cpu=0), say)
    assert (summary.exit_code, len(summary.results)) == (Exit.FAILED_CHECK, 3)
    assert any("cannot be read" in warning for warning in summary.meta["warnings"])


def test_a_data_folder_that_does_not_answer_in_the_end_ends_no_run(
    cramped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = threading.Event()
    monkeypatch.setattr("dfsubmit.pipeline.LISTING_SECONDS", 0.01)
    monkeypatch.setattr("dfsubmit.output.submission.names_in", lambda *_: never.wait())
    monkeypatch.setattr("dfsubmit.output.run_files.is_whole", lambda *_: False)
    summary = run(cramped(gpu=9, cpu=0))
    never.set()
    assert (summary.exit_code, summary.failed) == (0, 0)
    assert any("did not answer" in warning for warning in summary.meta["warnings"])


def test_a_damaged_decision_leaves_no_guesses(
    model_folder: Path, data: Path, tmp_path: Path
) -> None:
    (model_folder / DECISION_FILE).write_text("{")
    with pytest.raises(ModelError, match=DECISION_FILE):
        run(RunOptions(model_folder, data, tmp_path / "s.csv", fallback=None, progress=False))
    assert not (tmp_path / "s.csv").exists()
    assert not (tmp_path / "s.meta.json").exists()


@pytest.mark.parametrize(("aggregator", "active"), [("mean", True), ("boundless", False)])
def test_early_exit_takes_a_worker_more_only_where_it_has_an_effect(
    aggregator: str,
    active: bool,
    tiny_model: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "boundless.py").write_text(
        "from dfsubmit import hookimpl\n"
        "@hookimpl\n"
        "def register_aggregators(register):\n"
        "    register('boundless', lambda scores: float(scores.p_fake.max()))\n"
    )
    sizes: list[int] = []
    started = WorkerPool.start

    def start(pool: WorkerPool) -> None:
        sizes.append(pool.size)
        started(pool)

    monkeypatch.setattr(WorkerPool, "start", start)
    monkeypatch.setattr("dfsubmit.execution.local.available_cpus", lambda: 1)
    summary = run(
        RunOptions(
            tiny_model,
            data,
            tmp_path / "s.csv",
            aggregator=aggregator,
            early_exit=True,
            fallback=None,
            plugins_dir=(str(tmp_path / "plugins"),),
            progress=False,
        )
    )
    assert summary.meta["early_exit"] is active
    assert sizes == [2 if active else 1]


def test_a_whole_run_says_nothing_but_what_it_means_to_say(
    tiny_model: Path, data: Path, tmp_path: Path
) -> None:
    command: list[str | Path] = [sys.executable, "-m", "dfsubmit", "run", data]
    command += ["--model", tiny_model, "--output", tmp_path / "s.csv"]
    command += ["--no-fallback", "--no-progress"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    untrained, model, *_, following = finished.stderr.splitlines()
    assert following.startswith("next: dfsubmit check ")
    assert untrained.startswith("warning: this model is UNTRAINED")
    assert model.startswith("untrained: class 1 ('Fake') is fake")
