"""Batches of face crops → each face's probability of fake.

In: RGB uint8 (n, height, width, 3) at the model's input size. Out: float64 (n,) in [0, 1]: softmax
over the model's classes, the column of the fake one. Batches may mix the faces of many files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dfsubmit.errors import DeviceOutOfMemory, DfsubmitError, ModelError, in_brief
from dfsubmit.hooks import FrameModel, GivesFeatures, MovesToCpu
from dfsubmit.records import Features, FloatArray, Pixels

_DEBUG = "--debug shows the traceback"


class Classifier:
    """A loaded model as a function from faces to probabilities.

    Args:
        model: what a model loader gave.
        fake_index: which logit is fake (`fakeclass.resolve_fake_class`).
        batch_size: the maximum number of faces per forward pass; halved for the rest of the run
            if the device runs out of memory.
        tta: "none", or "flip": the mean of a face's and its mirror image's probability.
        name: of the model, for errors.
        moved: called after the model has moved to the CPU, because the device's memory was too
            small for one face.
        keep_features: `score` also returns features; the model must implement `GivesFeatures`.
    """

    def __init__(
        self,
        model: FrameModel,
        fake_index: int,
        batch_size: int = 32,
        tta: str = "none",
        name: str = "the model",
        moved: Callable[[], None] = lambda: None,
        keep_features: bool = False,
    ) -> None:
        self.model = model
        self.fake_index = fake_index
        self.batch_size = batch_size
        self.tta = tta
        self.name = name
        self.moved = moved
        self.keep_features = keep_features

    def p_fake(self, pixels: Pixels) -> FloatArray:
        """The probability of fake of each face.

        Args:
            pixels: RGB uint8 (n, height, width, 3), n ≥ 1.

        Raises:
            ModelError: the model raises, or its logits have a wrong shape, NaN or infinity.
            DeviceOutOfMemory: the memory is too small for one face.
        """
        return self.score(pixels)[0]

    def score(self, pixels: Pixels) -> tuple[FloatArray, Features | None]:
        """The probability of fake of each face, and its features if they are kept (with "flip", the
        mean over the face and its mirror image for both).

        Args, Raises: as `p_fake`.
        """
        straight, features = self._passes(pixels)
        if self.tta == "none":
            return straight, features
        mirrored, others = self._passes(np.ascontiguousarray(pixels[:, :, ::-1]))
        if features is not None and others is not None:
            features = np.asarray((features + others) / 2, dtype=np.float32)
        return (straight + mirrored) / 2, features

    def _passes(self, pixels: Pixels) -> tuple[FloatArray, Features | None]:
        done: list[FloatArray] = []
        seen: list[Features] = []
        start = 0
        while start < len(pixels):
            part = pixels[start : start + self.batch_size]
            try:
                if self.keep_features:
                    assert isinstance(self.model, GivesFeatures)
                    logits, features = self.model.logits_and_features(part)
                    seen.append(features)
                else:
                    logits = self.model.logits(part)
            except DeviceOutOfMemory:
                self._shrink(len(part))
                continue
            except DfsubmitError:
                raise
            except Exception as error:  # a plugin's model or its runtime may raise anything
                reason = in_brief(error, self.model)
                raise ModelError(f"{self.name} cannot score a face: {reason}", _DEBUG) from error
            self._check_shape(logits, len(part))
            done.append(self._softmax(logits))
            start += len(part)
        return np.concatenate(done), np.concatenate(seen) if seen else None

    def _shrink(self, failed: int) -> None:
        """Halve the batch size; at one face, move to the CPU."""
        if failed > 1:
            self.batch_size = failed // 2
            return
        if not isinstance(self.model, MovesToCpu) or not self.model.fall_back_to_cpu():
            raise DeviceOutOfMemory(
                f"{self.name}: not even one face fits into the device's memory",
                "free some memory, or take --device cpu",
            )
        self.moved()

    def _check_shape(self, logits: Any, faces: int) -> None:
        wanted = (faces, len(self.model.id2label))
        is_array = isinstance(logits, np.ndarray) and logits.dtype.kind in "fiu"
        if not is_array or logits.shape != wanted:
            given = type(logits).__name__
            if isinstance(logits, np.ndarray):
                given = f"an array of shape {logits.shape} and type {logits.dtype}"
            raise ModelError(
                f"{self.name} gives {given} for its logits; an array of numbers (faces, classes), "
                f"here {wanted}, is what a model loader's model has to give"
            )

    def _softmax(self, logits: npt.NDArray[np.float32]) -> FloatArray:
        if not np.isfinite(logits).all():
            raise ModelError(
                f"{self.name} gives NaN or infinite values for a face",
                "its weights are damaged, or --precision fp16 overflows: try fp32",
            )
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        probabilities: FloatArray = exponentials[:, self.fake_index] / exponentials.sum(axis=1)
        return probabilities
