"""A model loader without a network: a fixed linear map of some pixels, ready in no time.

The fault suite starts `dfsubmit run` hundreds of times; what it tests is everything around a model.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dfsubmit.hooks import LoadRequest, RegisterModelLoader, hookimpl, load_preprocessor

DFSUBMIT_HOOKS = 1

STEP = 8


class LinearModel:
    def __init__(self, request: LoadRequest) -> None:
        self.id2label = request.id2label
        self.device, self.precision = "cpu", "fp32"
        self.preprocessor = load_preprocessor(request.folder)

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        some = pixels[:, ::STEP, ::STEP].reshape(len(pixels), -1, 1) / 255 - 0.5
        weights = np.random.default_rng(0).normal(size=(some.shape[1], 2))
        # Summed row by row: a product of matrices may round each batch size differently.
        logits: npt.NDArray[np.float32] = (some * weights).sum(axis=1).astype(np.float32)
        return logits


class LinearLoader:
    def rank(self, request: LoadRequest) -> int:
        return 1

    def load(self, request: LoadRequest) -> LinearModel:
        return LinearModel(request)


@hookimpl
def register_model_loaders(register: RegisterModelLoader) -> None:
    register("linear", LinearLoader())
