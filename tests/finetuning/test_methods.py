"""Fine-tuning tiny networks of several families, in this process: what moves, resuming, saving."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from commands import dfsubmit
from crops import write_faces
from safetensors.torch import load_file
from tiny_networks import SIDE, save_tiny, tiny_classifier

from dfsubmit.finetuning.networks.backbones import tune_only
from dfsubmit.finetuning.networks.lora import merge_lora
from dfsubmit.finetuning.trainer import FaceTrainer
from dfsubmit.hooks.interfaces import LoadRequest
from dfsubmit.hooks.network import take_images
from dfsubmit.models.folder import open_model
from dfsubmit.models.huggingface import HuggingFaceLoader

QUIET = ["--no-progress", "--workers", 0, "--batch-size", 4, "--lr", "1e-2", "--device", "cpu"]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("faces"))


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


def test_what_was_untrained_is_so_no_longer(faces: Path, tiny_model: Path, tmp_path: Path) -> None:
    assert open_model(tiny_model).untrained
    options = [*QUIET, "--base", tiny_model, "--tune", "head", "--epochs", 1]
    dfsubmit("finetune", faces, "--output", tmp_path / "mine", *options)
    assert not open_model(tmp_path / "mine").untrained


@pytest.mark.parametrize("kind", ["clip", "dinov2_with_registers", "swin"])
def test_lora_learns_resumes_and_leaves_an_ordinary_folder(
    kind: str, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    base = save_tiny(kind, tmp_path / "base")
    options = [*QUIET, "--base", base, "--tune", "lora:r=2,alpha=4", "--epochs", 2]
    options += ["--eval-steps", 2, "--ema", 0.5, "--save-precision", "fp16"]
    dfsubmit("finetune", faces, "--output", tmp_path / "whole", *options)
    finetune_killed(monkeypatch, 5, faces, "--output", tmp_path / "killed", *options)
    dfsubmit("finetune", faces, "--output", tmp_path / "killed", *options)
    before, after, again = (weights(tmp_path / name) for name in ("base", "whole", "killed"))
    assert before.keys() == after.keys()
    assert all(value.equal(again[name]) for name, value in after.items())
    moved = {name for name, value in after.items() if not value.equal(before[name].half())}
    assert any("classifier" not in name for name in moved)
    # Only the weights of linear layers, and the head's bias.
    assert all(after[name].ndim == 2 for name in moved - {"classifier.bias"})
    figures = json.loads((tmp_path / "whole/metrics.json").read_text())
    assert figures["parameters"][0] < figures["parameters"][1]
    model = HuggingFaceLoader().load(LoadRequest(tmp_path / "whole", device="cpu"))
    assert model.precision == "fp32"


def test_lora_begins_as_the_base_and_merges_to_what_it_answered() -> None:
    pytest.importorskip("peft")
    model = take_images(tiny_classifier("siglip2")).eval()
    names = list(model.state_dict())
    pixels = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        base = model(pixel_values=pixels).logits
        learning, everything = tune_only(model, "lora:r=3")
        assert learning < everything
        torch.testing.assert_close(model(pixel_values=pixels).logits, base)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
        adapted = model(pixel_values=pixels).logits
        assert not torch.allclose(adapted, base, atol=1e-3)
        merge_lora(model)
        torch.testing.assert_close(model(pixel_values=pixels).logits, adapted)
    assert list(model.state_dict()) == names


def test_lora_needs_peft_and_linear_layers(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [
        *QUIET,
        "--base",
        "scratch:resnet-xs",
        "--image-size",
        32,
        "--output",
        tmp_path / "m",
    ]
    text = dfsubmit("finetune", faces, *options, "--tune", "lora:r=0", code=2)
    assert "lora:r=16,alpha=32" in text
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None if name == "peft" else object())
        text = dfsubmit("finetune", faces, *options, "--tune", "lora", code=5)
        assert 'pip install "dfsubmit[lora]"' in text
        text = dfsubmit("finetune", faces, *options, "--tune", "lora", "--dry-run")
        assert "missing: " in text
        assert "dfsubmit[lora]" in text
    pytest.importorskip("peft")
    text = dfsubmit("finetune", faces, *options, "--tune", "lora", code=2)
    assert "no linear layers" in text


def test_accumulated_batches_and_checkpointed_gradients_make_the_same_step(
    faces: Path, tmp_path: Path
) -> None:
    base = save_tiny("clip", tmp_path / "base")
    options = [*QUIET, "--base", base, "--epochs", 1, "--eval-steps", 1]
    whole = dfsubmit("finetune", faces, "--output", tmp_path / "whole", *options)
    assert "a step: 4 faces, 4 x 1 process x 1 accumulated; peak learning rate 0.01" in whole
    split = [*options, "--batch-size", 2, "--accumulate", 2, "--gradient-checkpointing"]
    text = dfsubmit("finetune", faces, "--output", tmp_path / "split", *split)
    assert "steps: 4 (4 an epoch)" in text
    assert "a step: 4 faces, 2 x 1 process x 2 accumulated" in text
    for name, value in weights(tmp_path / "whole").items():
        torch.testing.assert_close(weights(tmp_path / "split")[name], value, atol=2e-4, rtol=1e-3)
    options = [*QUIET, "--base", "scratch:resnet-xs", "--image-size", 32]
    options += ["--output", tmp_path / "m", "--gradient-checkpointing"]
    assert "--accumulate" in dfsubmit("finetune", faces, *options, code=2)


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
