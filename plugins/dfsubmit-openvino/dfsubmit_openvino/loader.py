"""Hugging Face folder → a `FrameModel` that OpenVINO runs on the CPU."""

from __future__ import annotations

import functools
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dfsubmit.hooks import (
    DfsubmitError,
    FrameModel,
    LoadRequest,
    Pixels,
    Prepared,
    Preprocessor,
    UsageError,
    load_preprocessor,
)

if TYPE_CHECKING:
    from dfsubmit_openvino.store import Stored

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
        preprocessor = load_preprocessor(request.folder)
        if request.precision == "int8":
            return _load_int8(request, preprocessor)
        precision = "fp32" if request.precision == "auto" else request.precision
        model = OpenVinoModel(preprocessor, request, precision)
        model.compile(_converted(request, preprocessor).read())
        return model

    def prepare(self, request: LoadRequest) -> Prepared:
        """Quantise the model with faces, and keep the graph in its folder; see `prepared`.

        Raises:
            ModelError, NotInstalled: as from `load`.
            UsageError: not int8, no faces, or the folder cannot be written.
        """
        from dfsubmit_openvino.prepared import keep
        from dfsubmit_openvino.quantise import drift_of

        if request.precision != "int8":
            raise UsageError(f"there is nothing to prepare for --precision {request.precision}")
        if request.faces is None:
            raise UsageError(
                "--precision int8 is prepared with faces",
                "name a folder of face crops with --calibration",
            )
        preprocessor = load_preprocessor(request.folder)
        crops = read_crops(request.faces, preprocessor)
        stored = Int8Model(preprocessor, request).quantise(crops)
        drift = drift_of(stored.read())
        folder = keep(stored, request.folder, request.model_hash)
        return Prepared(folder, str(drift), drift.warnings)


def _load_int8(request: LoadRequest, preprocessor: Preprocessor) -> FrameModel:
    """An int8 model: quantised with the request's faces, or prepared, or one that needs faces."""
    from dfsubmit_openvino.prepared import find_prepared

    model = Int8Model(preprocessor, request)
    if request.faces is not None:
        model.see(read_crops(request.faces, preprocessor))
        return model
    stored, name = find_prepared(request.folder, request.model_hash)
    if stored is not None:
        try:
            model.take(stored, name)
            return model
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().split("\n")[0]
            name = f"{stored.folder} is not used: OpenVINO cannot read it: {reason}"
    if name:
        model.warnings.append(
            f"{name}; int8 takes its ranges from this run's faces instead "
            "('dfsubmit models prepare' makes it anew)"
        )
    model.exact()  # now, so that a model that cannot be converted is found out here
    return model


def _converted(request: LoadRequest, preprocessor: Preprocessor) -> Stored:
    from dfsubmit_openvino.convert import convert

    return convert(request.folder, request.model_hash, preprocessor.height, preprocessor.width)


class OpenVinoModel:
    """A compiled graph behind the `FrameModel` interface; `compile` comes first.

    Attributes:
        warnings: for the user, one line each; also that the precision asked for is not used.
    """

    def __init__(self, preprocessor: Preprocessor, request: LoadRequest, precision: str) -> None:
        self.id2label = request.id2label
        self.preprocessor = preprocessor
        self.device = "cpu (OpenVINO)"
        self.precision = precision
        self.warnings: list[str] = []
        self._threads = request.threads
        self._compiled: Any = None

    def compile(self, graph: Any) -> None:
        """Take an `openvino.Model` as the network, in the precision asked for."""
        from dfsubmit_openvino.runtime import compile_graph

        rest = "fp32" if self.precision == "int8" else self.precision
        self._compiled = compile_graph(graph, rest, self._threads)
        if self.precision != "int8":
            # A CPU without bf16 computes in fp32 whatever the hint: say what is done.
            hint = self._compiled.get_property("INFERENCE_PRECISION_HINT")
            used = _NAMES[hint.get_type_name()]
            if used != self.precision:
                self.warnings.append(
                    f"--precision {self.precision}: this CPU has no {self.precision} "
                    f"instructions, {used} is used"
                )
            self.precision = used

    def logits(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """See `FrameModel.logits`."""
        (logits,) = self._compiled(self.preprocessor.normalise(pixels)).values()
        return np.array(logits, dtype=np.float32)


class Int8Model(OpenVinoModel):
    """A model that is quantised to int8 after it has received some faces (see `NeedsFaces`).

    Attributes:
        faces_wanted: by `see`, before the first `logits`; 0 once it is quantised.
        arithmetic: how far it is from fp32, once it is quantised.
        warnings: also that it is too far, where it is, and why a prepared graph is not used.
        exact: gives the fp32 graph, made at the first call.
    """

    def __init__(self, preprocessor: Preprocessor, request: LoadRequest) -> None:
        super().__init__(preprocessor, request, "int8")
        self.faces_wanted = FACES
        self.arithmetic = ""
        self.exact = functools.cache(lambda: _converted(request, preprocessor))
        self._model_hash = request.model_hash
        self._key = ""

    def recall(self, key: str) -> bool:
        """Whether the cache holds what `see` once made under this key; it is used then."""
        from dfsubmit_openvino.quantise import recall

        self._key = key
        stored = recall(self._model_hash, key)
        if stored is not None:
            self.take(stored)
        return stored is not None

    def see(self, faces: Pixels) -> None:
        """Quantise with the ranges that these faces show.

        Args:
            faces: RGB uint8 (n, height, width, 3), n ≥ 1; fewer than `faces_wanted` will do, and
                are all that there is when a run has no more.

        Raises:
            NotInstalled: nncf is missing.
            ModelError: NNCF cannot quantise it.
        """
        self.take(self.quantise(faces))

    def quantise(self, faces: Pixels) -> Stored:
        """The graph for these faces, which is not used yet; see `see`."""
        from dfsubmit_openvino.quantise import quantise

        images = self.preprocessor.normalise(faces[:FACES])
        key = self._key or hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
        return quantise(self.exact, self._model_hash, key, images)

    def take(self, stored: Stored, name: str = "") -> None:
        """Use a quantised graph; its name, if it has one, becomes part of `arithmetic`."""
        from dfsubmit_openvino.quantise import drift_of

        graph = stored.read()
        drift = drift_of(graph)
        self.compile(graph)
        self.faces_wanted = 0
        self.arithmetic = f"{drift} ({name})" if name else str(drift)
        self.warnings += drift.warnings

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
