"""Rows of the index → the model's input, exactly as a run makes it.

A crop is read, resized once by the model's own `Preprocessor`, and normalised by it. Training faces
are augmented before and after the resize; validation faces are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dfsubmit.console import progress_bar
from dfsubmit.errors import DfsubmitError
from dfsubmit.extraction.landmarks import read_landmarks
from dfsubmit.faces.cropping import box_in_crop
from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.finetuning.data.augment import Strength, degrade, reframe
from dfsubmit.finetuning.data.epochs import Draw
from dfsubmit.finetuning.data.selfblend import self_blend
from dfsubmit.labels import FAKE
from dfsubmit.recipe import Recipe
from dfsubmit.records import Box, Pixels


def read_crop(path: Path) -> Pixels:
    """A crop as RGB uint8 (h, w, 3).

    Raises:
        DfsubmitError: it cannot be read.
    """
    import cv2

    if path.exists() and not path.is_file():  # a pipe would block for ever
        raise DfsubmitError(f"{path}: it is no regular file")
    try:
        data = np.fromfile(path, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error) as error:
        raise DfsubmitError(f"{path}: {error}") from error
    if image is None:
        raise DfsubmitError(f"{path}: not a readable picture")
    return np.ascontiguousarray(image[:, :, ::-1])


def unreadable_crops(paths: Sequence[Path], progress: bool) -> set[Path]:
    """The crops that cannot be read. Each is decoded once, so that errors occur before training."""

    def fails(path: Path) -> bool:
        try:
            read_crop(path)
        except DfsubmitError:
            return True
        return False

    unique = sorted(set(paths))
    broken = set()
    with ThreadPoolExecutor() as pool, progress_bar(len(unique), "crops", progress) as bar:
        for path, failed in zip(unique, pool.map(fails, unique), strict=True):
            bar.update()
            if failed:
                broken.add(path)
    return broken


class ValidationFaces:
    """Faces as a run sees them.

    Args:
        paths: the crops.
        labels: 0 real, 1 fake.
        preprocessor: of the model.
        classes: the model's own index for real and for fake.

    Each item: ``pixels``, RGB uint8 (height, width, 3) at the model's size, and ``label``, the
    model's own index of the class.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Sequence[int],
        preprocessor: Preprocessor,
        classes: tuple[int, int] = (0, 1),
    ) -> None:
        self.paths, self.labels = list(paths), list(labels)
        self.preprocessor, self.classes = preprocessor, classes

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, face: int) -> dict[str, Any]:
        pixels = self.preprocessor.resize(read_crop(self.paths[face]))
        return {"pixels": pixels, "label": self.classes[self.labels[face]]}


class LearningFaces:
    """Faces as `FaceSampler` draws them, augmented; items as in `ValidationFaces`.

    Args:
        faces: as they are.
        strength: of the augmentation; None for none.
        boxes: the detector's box of each, for self-blending.
        recipe: that all were cut with.
        landmarks: of each, as the index has them; empty where no face has any.
    """

    def __init__(
        self,
        faces: ValidationFaces,
        strength: Strength | None,
        boxes: Sequence[Box],
        recipe: Recipe,
        landmarks: Sequence[str] = (),
    ) -> None:
        self.faces, self.strength = faces, strength
        self.boxes, self.recipe = list(boxes), recipe
        self.landmarks = list(landmarks)

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, draw: Draw) -> dict[str, Any]:
        chance = np.random.default_rng(draw.seed)
        faces, strength = self.faces, self.strength
        pixels = read_crop(faces.paths[draw.face])
        if draw.look != "plain":
            box = box_in_crop(self.boxes[draw.face], pixels.shape[:2], self.recipe)
            text = self.landmarks[draw.face] if self.landmarks else ""
            real, blend = self_blend(pixels, box, chance, read_landmarks(text))
            pixels = blend if draw.look == "blend" else real
        # What is drawn from here on is the same for a blend and its real one.
        if strength:
            pixels = reframe(pixels, strength, chance)
        pixels = faces.preprocessor.resize(pixels)
        if strength:
            pixels = degrade(pixels, strength, chance)
        label = FAKE if draw.look == "blend" else faces.labels[draw.face]
        return {"pixels": pixels, "label": faces.classes[label]}


class Collator:
    """Items → ``pixel_values`` float32 (n, 3, height, width) and ``labels`` int64 (n,)."""

    def __init__(self, preprocessor: Preprocessor) -> None:
        self.preprocessor = preprocessor

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        pixels = np.stack([item["pixels"] for item in items])
        values = torch.from_numpy(self.preprocessor.normalise(pixels))
        return {
            # Channels last is how convolutions run fastest on CPUs and on tensor cores.
            "pixel_values": values.contiguous(memory_format=torch.channels_last),
            "labels": torch.tensor([item["label"] for item in items]),
        }


def single_threaded(worker: int = 0) -> None:
    """Take OpenCV's own threads away, which would fight with the model's.

    To be called before a loader's workers are forked, and again in each of them for where they are
    spawned: OpenCV's pool does not survive a fork, and a worker that is the first to change its
    size waits for ever for threads that are not there. After the parent's call it has none.
    """
    import cv2

    cv2.setNumThreads(1)
