"""Stand-ins that tests derive from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dfsubmit.errors import DeviceOutOfMemory
from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.records import Pixels


class FakeModel:
    """A `FrameModel` without a network: p_fake of a face is its mean brightness.

    Attributes:
        batches: the sizes of the batches that it was given.
        capacity: a larger batch is out of memory.
    """

    preprocessor = Preprocessor(height=4, width=4)
    device = "cpu"
    precision = "fp32"

    def __init__(self, capacity: int = 1_000_000) -> None:
        self.id2label = {0: "Real", 1: "Fake"}
        self.batches: list[int] = []
        self.capacity = capacity

    def logits(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        self.batches.append(len(pixels))
        if len(pixels) > self.capacity:
            raise DeviceOutOfMemory("fake: out of memory")
        p_fake = np.clip(pixels.reshape(len(pixels), -1).mean(axis=1) / 255, 1e-6, 1 - 1e-6)
        logits: npt.NDArray[np.float32] = np.log(
            np.stack([1 - p_fake, p_fake], axis=1), dtype=np.float32
        )
        return logits
