"""Hugging Face folder → a `FrameModel` that OpenVINO runs on the CPU."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.faces.preprocess import Preprocessor, load_preprocessor
from dfsubmit.hooks.interfaces import FrameModel, LoadRequest
from dfsubmit.models.folder import read_classes
from dfsubmit.records import Pixels

CALIBRATION_IMAGES = 32
"""Crops that int8 is calibrated on. More change little: docs/performance.md."""

_PICTURES = (".jpg", ".jpeg", ".png")
_PRECISIONS = ("fp32", "bf16", "int8")
_NAMES = {"f32": "fp32", "bf16": "bf16"}


class OpenVinoLoader:
    """Compiles image classifiers for the CPU: fp32 (exact), bf16 or int8."""

    def rank(self, request: LoadRequest) -> int:
        """20, above the core's own loader, for safetensors folders that are to run on the CPU;
        0 otherwise."""
        if request.precision not in ("auto", *_PRECISIONS):
            return 0
        if not any(request.folder.glob("*.safetensors")):
            return 0
        if request.device == "cpu" or (request.device == "auto" and not _cuda_is_available()):
            return 20
        return 0

    def load(self, request: LoadRequest) -> FrameModel:
        """The model, converted (or taken from the cache) and compiled.

        Raises:
            ModelError: the weights cannot be loaded, or OpenVINO cannot convert the model.
            UsageError: the calibration folder holds no pictures.
            NotInstalled: int8 without nncf.
        """
        from dfsubmit_openvino.convert import convert

        preprocessor = load_preprocessor(request.folder)
        id2label = read_classes(request.folder)
        graph = convert(request.folder, request.model_hash, preprocessor.height, preprocessor.width)
        if request.precision == "int8":
            quantised = Int8Model(graph, preprocessor, id2label, request)
            if request.calibration is not None:
                quantised.calibrate(read_crops(request.calibration, preprocessor))
            return quantised
        precision = "fp32" if request.precision == "auto" else request.precision
        model = OpenVinoModel(preprocessor, id2label, precision, request.threads)
        model.compile(graph)
        return model


class OpenVinoModel:
    """A compiled graph behind the `FrameModel` interface; `compile` comes first."""

    def __init__(
        self, preprocessor: Preprocessor, id2label: Mapping[int, str], precision: str, threads: int
    ) -> None:
        self.id2label = id2label
        self.preprocessor = preprocessor
        self.device = "cpu (OpenVINO)"
        self.precision = precision
        self._threads = threads
        self._compiled: Any = None

    def compile(self, graph: Any) -> None:
        """Take an `openvino.Model` as the network, in the precision asked for."""
        from dfsubmit_openvino.convert import compile_graph

        rest = "fp32" if self.precision == "int8" else self.precision
        self._compiled = compile_graph(graph, rest, self._threads)
        if self.precision != "int8":
            # A CPU without bf16 computes in fp32 whatever the hint: say what is done.
            hint = self._compiled.get_property("INFERENCE_PRECISION_HINT")
            self.precision = _NAMES[hint.get_type_name()]

    def logits(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """See `FrameModel.logits`."""
        (logits,) = self._compiled(self.preprocessor.normalise(pixels)).values()
        return np.array(logits, dtype=np.float32)


class Int8Model(OpenVinoModel):
    """A model that is quantised to int8 once it has seen some faces.

    Attributes:
        calibration_images: how many faces `calibrate` wants to be called with, before the first
            call of `logits`; 0 once it has been.
        arithmetic: how far it is from fp32, once it has been calibrated.
        warnings: that it is too far, where it is.
    """

    def __init__(
        self,
        graph: Any,
        preprocessor: Preprocessor,
        id2label: Mapping[int, str],
        request: LoadRequest,
    ) -> None:
        super().__init__(preprocessor, id2label, "int8", request.threads)
        self.calibration_images = CALIBRATION_IMAGES
        self.arithmetic = "int8"
        self.warnings: list[str] = []
        self._graph = graph
        self._model_hash = request.model_hash
        self._key = ""

    def recall(self, key: str) -> bool:
        """Whether the cache holds what `calibrate` once made under this key; it is used then."""
        from dfsubmit_openvino.quantise import recall

        self._key = key
        graph = recall(self._model_hash, key)
        if graph is not None:
            self._take(graph)
        return graph is not None

    def calibrate(self, pixels: Pixels) -> None:
        """Quantise with the ranges that these faces show.

        Args:
            pixels: RGB uint8 (n, height, width, 3), n ≥ 1; fewer than `calibration_images` will
                do, and are all that there is when a run has no more.
        """
        from dfsubmit_openvino.quantise import quantise

        images = self.preprocessor.normalise(pixels[:CALIBRATION_IMAGES])
        key = self._key or hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
        self._take(quantise(self._graph, self._model_hash, key, images))

    def _take(self, graph: Any) -> None:
        from dfsubmit_openvino.quantise import drift_of

        self.compile(graph)
        self._graph = None
        self.calibration_images = 0
        drift = drift_of(graph)
        self.arithmetic = str(drift)
        if drift.unsuitable:
            self.warnings = [f"{drift}: --precision bf16 suits this model better"]

    def logits(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """See `FrameModel.logits`.

        Raises:
            DfsubmitError: `calibrate` has not been called.
        """
        if self.calibration_images:
            raise DfsubmitError(
                "the int8 model has not been calibrated",
                "name a folder of faces with --calibration",
            )
        return super().logits(pixels)


def read_crops(folder: Path, preprocessor: Preprocessor) -> Pixels:
    """Up to `CALIBRATION_IMAGES` pictures of a folder and its subfolders, evenly chosen by name.

    Raises:
        UsageError: there are none.
    """
    from PIL import Image

    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICTURES)
    if not paths:
        raise UsageError(f"--calibration {folder}: holds no {', '.join(_PICTURES)} files")
    chosen = np.unique(np.linspace(0, len(paths) - 1, CALIBRATION_IMAGES, dtype=int))
    crops = []
    for number in chosen:
        try:
            with Image.open(paths[number]) as picture:
                crops.append(preprocessor.resize(np.asarray(picture.convert("RGB"))))
        except OSError as error:
            raise UsageError(f"--calibration: {paths[number]}: {error}") from error
    return np.stack(crops)


def _cuda_is_available() -> bool:
    # Linux without a driver's device file has no CUDA: torch need not be imported to ask.
    if sys.platform == "linux" and not any(
        Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg")
    ):
        return False
    import torch

    return bool(torch.cuda.is_available())
