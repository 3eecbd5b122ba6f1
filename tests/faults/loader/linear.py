"""A model loader without a network: a fixed linear map of some pixels, ready in no time.

The fault suite starts `dfsubmit run` hundreds of times; what it tests is everything around a model.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dfsubmit import hookimpl
from dfsubmit.faces.preprocess import load_preprocessor

STEP = 8


class LinearModel:
    def __init__(self, folder) -> None:
        self.id2label = {0: "Real", 1: "Fake"}
        self.device, self.precision = "cpu", "fp32"
        self.preprocessor = load_preprocessor(folder)

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        some = pixels[:, ::STEP, ::STEP].reshape(len(pixels), -1, 1) / 255 - 0.5
        weights = np.random.default_rng(0).normal(size=(some.shape[1], 2))
        # Summed row by row: a product of matrices may round each batch size differently.
        return (some * weights).sum(axis=1).astype(np.float32)


class LinearLoader:
    def rank(self, request) -> int:
        return 1

    def load(self, request) -> LinearModel:
        return LinearModel(request.folder)


@hookimpl
def register_model_loaders(register) -> None:
    register("linear", LinearLoader())
