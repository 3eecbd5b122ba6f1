"""Two processes, killed and resumed, end as two that were not; with LoRA where peft is there."""

from __future__ import annotations

import importlib.util
import signal
import time
from pathlib import Path

import psutil
import pytest
from commands import finish, start
from crops import write_faces
from tiny_networks import save_tiny

pytestmark = pytest.mark.slow

LAUNCHER = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def test_two_processes_killed_and_resumed_end_equal(tmp_path: Path) -> None:
    faces = write_faces(tmp_path / "faces")
    tune = "norm" if importlib.util.find_spec("peft") is None else "lora:r=2"
    options = ["--base", save_tiny("clip", tmp_path / "base"), "--tune", tune, "--lr", "1e-2"]
    options += ["--batch-size", 1, "--accumulate", 2, "--gradient-checkpointing", "--epochs", 12]
    options += ["--eval-steps", 4, "--device", "cpu", "--workers", 0, "--no-progress"]

    def run(name: str, wait: bool = True) -> str:
        output = tmp_path / name
        process = start("finetune", faces, "--output", output, *options, launcher=LAUNCHER)
        while not wait and not list(output.glob("checkpoints/checkpoint-*/complete.json")):
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
        if wait:
            return finish(process)
        for child in psutil.Process(process.pid).children():
            child.send_signal(signal.SIGKILL)
        return process.communicate()[0]

    assert "a step: 4 faces, 1 x 2 processes x 2 accumulated" in run("whole")
    run("killed", wait=False)
    assert not (tmp_path / "killed/config.json").exists()
    run("killed")
    whole, killed = (tmp_path / name / "model.safetensors" for name in ("whole", "killed"))
    assert whole.read_bytes() == killed.read_bytes()
