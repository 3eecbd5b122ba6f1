"""Hugging Face folder → a `FrameModel` that OpenVINO runs on the CPU."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dfsubmit.hooks import (
    DfsubmitError,
    FrameModel,
    LoadRequest,
    Pixels,
    Preprocessor,
    UsageError,
    load_preprocessor,
)

FACES = 32
"""The number of crops for int8 calibration. More change little: docs/performance.md."""

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
            UsageError: the folder of faces holds no pictures.
            NotInstalled: int8 without nncf.
        """
        from dfsubmit_openvino.convert import convert

        preprocessor = load_preprocessor(request.folder)
        graph = convert(request.folder, request.model_hash, preprocessor.height, preprocessor.width)
        if request.precision == "int8":
            quantised = Int8Model(graph, preprocessor, request)
            if request.faces is not None:
                quantised.see(read_crops(request.faces, preprocessor))
            return quantised
        precision = "fp32" if request.precision == "auto" else request.precision
        model = OpenVinoModel(preprocessor, request, precision)
        model.compile(graph)
        return model


class OpenVinoModel:
    """A compiled graph behind the `FrameModel` interface; `compile` comes first."""

    def __init__(self, preprocessor: Preprocessor, request: LoadRequest, precision: str) -> None:
        self.id2label = request.id2label
        self.preprocessor = preprocessor
        self.device = "cpu (OpenVINO)"
        self.precision = precision
        self._threads = request.threads
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
    """A model that is quantised to int8 after it has received some faces (see `NeedsFaces`).

    Attributes:
        faces_wanted: by `see`, before the first `logits`; 0 once it is quantised.
        arithmetic: how far it is from fp32, once it is quantised.
        warnings: that it is too far, where it is.
    """

    def __init__(self, graph: Any, preprocessor: Preprocessor, request: LoadRequest) -> None:
        super().__init__(preprocessor, request, "int8")
        self.faces_wanted = FACES
        self.arithmetic = "int8"
        self.warnings: list[str] = []
        self._graph = graph
        self._model_hash = request.model_hash
        self._key = ""

    def recall(self, key: str) -> bool:
        """Whether the cache holds what `see` once made under this key; it is used then."""
        from dfsubmit_openvino.quantise import recall

        self._key = key
        graph = recall(self._model_hash, key)
        if graph is not None:
            self._take(graph)
        return graph is not None

    def see(self, faces: Pixels) -> None:
        """Quantise with the ranges that these faces show.

        Args:
            faces: RGB uint8 (n, height, width, 3), n ≥ 1; fewer than `faces_wanted` will do, and
                are all that there is when a run has no more.

        Raises:
            NotInstalled: nncf is missing.
        """
        from dfsubmit_openvino.quantise import quantise

        images = self.preprocessor.normalise(faces[:FACES])
        key = self._key or hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
        self._take(quantise(self._graph, self._model_hash, key, images))

    def _take(self, graph: Any) -> None:
        from dfsubmit_openvino.quantise import drift_of

        self.compile(graph)
        self._graph = None
        self.faces_wanted = 0
        drift = drift_of(graph)
        self.arithmetic = str(drift)
        if drift.unsuitable:
            self.warnings = [f"{drift}: --precision bf16 suits this model better"]

    def logits(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """See `FrameModel.logits`.

        Raises:
            DfsubmitError: it is not quantised, for it has seen no faces.
        """
        if self.faces_wanted:
            raise DfsubmitError(
                "the int8 model has seen no faces yet",
                "name a folder of faces with --calibration",
            )
        return super().logits(pixels)


def read_crops(folder: Path, preprocessor: Preprocessor) -> Pixels:
    """Up to `FACES` pictures of a folder and its subfolders, evenly chosen by name.

    Raises:
        UsageError: there are none.
    """
    from PIL import Image

    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICTURES)
    if not paths:
        raise UsageError(f"--calibration {folder}: holds no {', '.join(_PICTURES)} files")
    chosen = np.unique(np.linspace(0, len(paths) - 1, FACES, dtype=int))
    crops = []
    for number in chosen:
        if not paths[number].is_file():  # a pipe would block for ever
            raise UsageError(f"--calibration: {paths[number]} is no regular file")
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
