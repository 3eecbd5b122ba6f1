"""Distillation: what a teacher adds to the loss, and which teachers are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from dfsubmit.errors import ModelError, UsageError
from dfsubmit.finetuning.networks.backbones import Backbone, load_backbone
from dfsubmit.finetuning.networks.teacher import load_teacher
from dfsubmit.recipe import Recipe


def edited(model: Path, target: Path, file: str, **changes: object) -> Path:
    """A copy of a model folder with other entries in one of its JSON files."""
    shutil.copytree(model, target)
    data = json.loads((target / file).read_text()) | changes
    (target / file).write_text(json.dumps(data))
    return target


@pytest.fixture(scope="module")
def student() -> Backbone:
    return load_backbone("scratch:tiny")


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    return torch.randn(6, 3, 224, 224, generator=torch.Generator().manual_seed(3))


def test_the_loss_is_least_where_the_student_agrees(
    tiny_model: Path, student: Backbone, faces: torch.Tensor
) -> None:
    teacher = load_teacher(str(tiny_model), student, Recipe())
    own = load_backbone(str(tiny_model)).model.eval()
    with torch.no_grad():
        agreed = own(pixel_values=faces).logits
    # At agreement the cross entropy is the teacher's own entropy.
    entropy = torch.distributions.Categorical(logits=agreed).entropy().mean()
    assert teacher.loss(agreed, faces).item() == pytest.approx(entropy.item(), abs=1e-5)
    for other in (agreed.flip(1), agreed + torch.tensor([0.5, 0.0]), torch.zeros(6, 2)):
        assert teacher.loss(other, faces) > entropy


def test_it_teaches_but_does_not_learn(
    tiny_model: Path, student: Backbone, faces: torch.Tensor
) -> None:
    teacher = load_teacher(str(tiny_model), student, Recipe())
    logits = torch.zeros(6, 2, requires_grad=True)
    teacher.loss(logits, faces).backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0
    assert not teacher.model.training
    assert all(parameter.grad is None for parameter in teacher.model.parameters())


def test_classes_are_matched_by_name(
    tiny_model: Path, tmp_path: Path, student: Backbone, faces: torch.Tensor
) -> None:
    names = {"id2label": {"0": "Deepfake", "1": "Real"}, "label2id": {"Deepfake": 0, "Real": 1}}
    swapped = edited(tiny_model, tmp_path / "m", "config.json", **names)
    logits = torch.randn(6, 2, generator=torch.Generator().manual_seed(4))
    plain = load_teacher(str(tiny_model), student, Recipe()).loss(logits, faces)
    # The same weights under exchanged names say the opposite.
    other = load_teacher(str(swapped), student, Recipe()).loss(logits.flip(1), faces)
    assert other.item() == pytest.approx(plain.item(), abs=1e-6)


def test_a_teacher_that_sees_otherwise_is_refused(
    tiny_model: Path, tmp_path: Path, student: Backbone
) -> None:
    with pytest.raises(UsageError, match="nothing to teach"):
        load_teacher("scratch:tiny", student, Recipe())
    with pytest.raises(UsageError, match="margin"):
        load_teacher(str(tiny_model), student, Recipe(margin=0.0))
    darker = edited(
        tiny_model, tmp_path / "a", "preprocessor_config.json", image_mean=[0.4, 0.4, 0.4]
    )
    with pytest.raises(UsageError, match=r"mean \(0\.4.*, not \(0\.5"):
        load_teacher(str(darker), student, Recipe())
    names = {"id2label": {"0": "cat", "1": "dog"}, "label2id": {"cat": 0, "dog": 1}}
    with pytest.raises(ModelError, match="cat"):
        load_teacher(
            str(edited(tiny_model, tmp_path / "b", "config.json", **names)), student, Recipe()
        )
