"""Fine-tuning tiny networks of several families, in this process: what moves, resuming, saving."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from commands import dfsubmit
from safetensors.torch import load_file
from tiny_networks import save_tiny

from dfsubmit.extraction.index import FaceRow, write_index
from dfsubmit.finetuning.trainer import FaceTrainer
from dfsubmit.hooks.interfaces import LoadRequest
from dfsubmit.models.huggingface import HuggingFaceLoader
from dfsubmit.recipe import Recipe

QUIET = ["--no-progress", "--workers", 0, "--batch-size", 4, "--lr", "1e-2", "--device", "cpu"]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten people, each real and fake; the fakes are reddish."""
    folder = tmp_path_factory.mktemp("faces")
    rows = []
    chance = np.random.default_rng(0)
    for person in range(10):
        for label in (0, 1):
            crop = chance.integers(0, 200, (40, 36, 3), np.uint8)
            crop[:, :, 2] += np.uint8(50 * label)
            name = f"{person}-{label}.png"
            cv2.imwrite(str(folder / name), crop)
            rows.append(
                FaceRow(
                    name,
                    label,
                    "swap" if label else "original",
                    "synthetic",
                    "",
                    f"{person}-{label}.mp4",
                    f"p{person}",
                    (f"p{person}",),
                    "",
                    0,
                    0.0,
                    (0, 0, 36, 40),
                )
            )
    write_index(folder, rows, Recipe())
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    return state


class Killed(Exception):
    """What stands for a kill."""


def finetune_killed(monkeypatch: pytest.MonkeyPatch, after: int, *arguments: object) -> None:
    """Run ``finetune`` until its step number `after`, where it dies."""
    whole = FaceTrainer.training_step
    steps = []

    def step(self: FaceTrainer, *inputs: object, **named: object) -> object:
        steps.append(1)
        if len(steps) > after:
            raise Killed
        return whole(self, *inputs, **named)

    with monkeypatch.context() as patch:
        patch.setattr(FaceTrainer, "training_step", step)
        with pytest.raises(Killed):
            dfsubmit("finetune", *arguments)


@pytest.mark.parametrize("kind", ["clip", "siglip2", "dinov2"])
def test_norms_learn_nothing_else_moves_and_a_resumed_run_ends_equal(
    kind: str, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = save_tiny(kind, tmp_path / "base")
    options = [*QUIET, "--base", base, "--tune", "norm", "--epochs", 2, "--eval-steps", 2]
    dfsubmit("finetune", faces, "--output", tmp_path / "whole", *options)
    finetune_killed(monkeypatch, 5, faces, "--output", tmp_path / "killed", *options)
    assert (tmp_path / "killed/checkpoints/checkpoint-4/complete.json").exists()
    dfsubmit("finetune", faces, "--output", tmp_path / "killed", *options)
    before, after = weights(base), weights(tmp_path / "whole")
    assert before.keys() == after.keys()
    moved = {name for name, value in after.items() if not value.equal(before[name])}
    assert all("norm" in name or "classifier" in name for name in moved)
    assert any("layernorm" in name or "norm1" in name or "layer_norm1" in name for name in moved)
    again = weights(tmp_path / "killed")
    assert all(value.equal(again[name]) for name, value in after.items())
    figures = json.loads((tmp_path / "whole/metrics.json").read_text())
    assert figures["parameters"][0] < figures["parameters"][1]
    model = HuggingFaceLoader().load(LoadRequest(tmp_path / "whole", device="cpu"))
    assert dict(model.id2label) == {0: "Real", 1: "Fake"}


def test_what_cannot_be_used_is_refused_before_a_crop_is_read(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*arguments: object) -> None:
        raise AssertionError("a crop was read")

    monkeypatch.setattr("dfsubmit.finetuning.data.plan.unreadable_crops", read)
    monkeypatch.setattr("dfsubmit.finetuning.networks.backbones._cached", lambda name: None)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/config.json").write_text("{}")
    tiny = ["--base", "scratch:tiny", "--image-size", 32]
    for output, options, said in (
        ("m", ["--base", "some/model"], "hf download some/model"),
        ("m", [*tiny, "--teacher", "some/model"], "some/model"),
        ("m", [*tiny, "--precision", "fp16"], "needs a GPU"),
        ("full", tiny, "holds a model already"),
    ):
        text = dfsubmit("finetune", faces, "--output", tmp_path / output, *QUIET, *options, code=2)
        assert said in text
