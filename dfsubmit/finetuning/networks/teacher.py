"""Distillation: the student learns from the probabilities of a fine-tuned teacher.

Student and teacher see the same view, augmentation included. If single faces are hard to decide,
their labels are mostly noise, while the teacher's probabilities are informative. A vision
transformer, which learns slowly from little data, also benefits from the inductive bias of a
convolutional teacher.

Sources: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015; the
convolutional teacher: Touvron et al. (DeiT), ICML 2021; one view for both: Beyer et al., "Knowledge
distillation: A good teacher is patient and consistent", CVPR 2022.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from dfsubmit.errors import UsageError
from dfsubmit.finetuning.networks.backbones import Backbone, load_backbone
from dfsubmit.recipe import Recipe

SHARE = 0.9
"""The weight of the teacher's term in the loss; the rest is the weight of the labels."""


class Teacher:
    """A fine-tuned model, used for inference only.

    Args:
        model: a transformers model for image classification, in evaluation mode.
        columns: its own index of each of the student's classes.
    """

    def __init__(self, model: Any, columns: tuple[int, int]) -> None:
        self.model, self.columns = model, columns

    def loss(self, logits: torch.Tensor, pixel_values: torch.Tensor) -> torch.Tensor:
        """The cross entropy of the student against the teacher's softmax, the batch's mean.

        Args:
            logits: float32 (n, 2), the student's.
            pixel_values: float32 (n, 3, height, width), what it saw.
        """
        with torch.no_grad():
            seen = self.model.to(pixel_values.device)(pixel_values=pixel_values).logits.float()
            target = seen[:, self.columns].softmax(1)
        return torch.nn.functional.cross_entropy(logits, target)


def load_teacher(name: str, student: Backbone, recipe: Recipe) -> Teacher:
    """The teacher for a student.

    Args:
        name: a model folder or zip, or the name of a model in the local hub cache.
        student: what is to learn from it.
        recipe: how the faces were cut that both will see.

    Raises:
        ModelError: it cannot be loaded, or its classes are not real and fake.
        UsageError: it does not see faces as the student does.
    """
    if name.startswith("scratch:"):
        raise UsageError(f"--teacher {name}: a new network has nothing to teach")
    backbone = load_backbone(name)
    own, other = (dataclasses.asdict(each.preprocessor) for each in (backbone, student))
    if own != other:
        listing = ", ".join(
            f"{key} {own[key]!r}, not {other[key]!r}" for key in own if own[key] != other[key]
        )
        raise UsageError(
            f"--teacher {name} takes its input in another way than the student: {listing}",
            "give the student the teacher's size with --image-size",
        )
    differences = backbone.recipe.differences(recipe) if backbone.recipe else {}
    if differences:
        listing = ", ".join(f"{key} {a!r}, not {b!r}" for key, (a, b) in differences.items())
        raise UsageError(
            f"--teacher {name} knows faces that were cut in another way: {listing}",
            "extract the faces with its recipe",
        )
    model = backbone.model.to(memory_format=torch.channels_last).eval()
    # Put the student's columns (real, fake by name) in the teacher's order.
    columns = [0, 0]
    for index, its_index in zip(student.classes, backbone.classes, strict=True):
        columns[index] = its_index
    return Teacher(model, (columns[0], columns[1]))
