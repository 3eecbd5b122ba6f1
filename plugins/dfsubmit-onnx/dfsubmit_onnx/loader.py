"""Folder with ``onnx/model.onnx`` or ``model.onnx`` → a `FrameModel`.

The layout of the ONNX conversions on the Hugging Face hub: `config.json` (class names) and
`preprocessor_config.json` lie in the folder as they do beside safetensors. An ONNX graph is data,
not code, and no custom operators are registered. From 1.24 on, ONNX Runtime refuses external
weights outside the model's folder; before, it reads such a file, as numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dfsubmit.hooks import (
    PREPROCESSOR_FILE,
    DeviceOutOfMemory,
    FrameModel,
    LoadRequest,
    ModelError,
    Pixels,
    Preprocessor,
    UsageError,
    load_preprocessor,
)

_PLACES = ("onnx/model.onnx", "model.onnx")
_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_PRECISIONS = {"tensor(float)": "fp32", "tensor(float16)": "fp16"}


def find_graph(folder: Path) -> Path | None:
    """The folder's ONNX file, or None."""
    return next((folder / place for place in _PLACES if (folder / place).is_file()), None)


class OnnxLoader:
    """Loads ONNX image classifiers on the CPU, or on CUDA where onnxruntime-gpu is installed."""

    def rank(self, request: LoadRequest) -> int:
        """10 where there is an ONNX file and nothing else to load, 5 beside safetensors weights
        (the core's loader, at 10, is nearer to what was trained), 0 otherwise."""
        folder = request.folder
        complete = all((folder / name).is_file() for name in ("config.json", PREPROCESSOR_FILE))
        # An ONNX file has one precision, the one that it was exported with.
        if not complete or find_graph(folder) is None or request.precision not in ("auto", "fp32"):
            return 0
        return 5 if any(folder.glob("*.safetensors")) else 10

    def load(self, request: LoadRequest) -> FrameModel:
        """The model in an ONNX Runtime session.

        Raises:
            ModelError: the file is no image classifier that fits the folder's configuration.
            UsageError: CUDA was asked for, and this onnxruntime has none.
        """
        import onnxruntime

        graph = find_graph(request.folder)
        if graph is None:
            raise ModelError(f"{request.folder} holds none of {', '.join(_PLACES)}")
        preprocessor = load_preprocessor(request.folder)
        providers = choose_providers(request.device, onnxruntime.get_available_providers())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = request.threads
        options.log_severity_level = 3  # errors; warnings about unused nodes help nobody here
        try:
            session = onnxruntime.InferenceSession(str(graph), options, providers=providers)
        except Exception as error:  # ONNX Runtime's exceptions share no public base class
            raise ModelError(f"{graph}: {str(error).strip()}") from error
        _check_shapes(graph, session, preprocessor, len(request.id2label))
        return OnnxModel(session, preprocessor, request.id2label)


class OnnxModel:
    """An ONNX Runtime session behind the `FrameModel` interface."""

    def __init__(
        self, session: Any, preprocessor: Preprocessor, id2label: Mapping[int, str]
    ) -> None:
        entry = session.get_inputs()[0]
        provider = session.get_providers()[0]
        self.id2label = id2label
        self.preprocessor = preprocessor
        self.device = f"{'cuda' if provider == _CUDA else 'cpu'} (ONNX Runtime)"
        self.precision = _PRECISIONS[entry.type]
        self._session = session
        self._input = entry.name
        self._output = _logits_output(session).name
        self._dtype = np.float16 if self.precision == "fp16" else np.float32

    def logits(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """See `FrameModel.logits`."""
        batch = self.preprocessor.normalise(pixels).astype(self._dtype, copy=False)
        try:
            (logits,) = self._session.run([self._output], {self._input: batch})
        except Exception as error:
            if "allocate memory" in str(error) or "out of memory" in str(error).lower():
                raise DeviceOutOfMemory(f"{self.device}: out of memory") from error
            raise
        return np.asarray(logits, dtype=np.float32)


def choose_providers(device: str, available: list[str]) -> list[Any]:
    """ONNX Runtime's providers for "auto", "cpu", "cuda" or "cuda:N", the preferred one first.

    Raises:
        UsageError: CUDA is asked for and not among the available ones.
    """
    kind, _, number = device.partition(":")
    if kind == "cpu" or (kind == "auto" and _CUDA not in available):
        return [_CPU]
    if _CUDA not in available:
        raise UsageError(
            f"--device {device}: this onnxruntime has no CUDA provider",
            "pip uninstall -y onnxruntime && pip install onnxruntime-gpu; or take --device cpu",
        )
    return [(_CUDA, {"device_id": int(number or 0)}), _CPU]


def _logits_output(session: Any) -> Any:
    """The output called "logits", as exporters name it; else the first."""
    outputs = session.get_outputs()
    return next((output for output in outputs if output.name == "logits"), outputs[0])


def _check_shapes(graph: Path, session: Any, preprocessor: Preprocessor, classes: int) -> None:
    """Compare the graph's fixed dimensions with what it will get; dynamic ones are strings."""
    entries = session.get_inputs()
    if len(entries) != 1 or entries[0].type not in _PRECISIONS or len(entries[0].shape) != 4:
        listing = ", ".join(f"{entry.name}: {entry.type}{entry.shape}" for entry in entries)
        raise ModelError(f"{graph} does not take one batch of images, but {listing}")
    batch, *wanted = entries[0].shape
    if isinstance(batch, int):
        raise ModelError(
            f"{graph} takes batches of exactly {batch}", "export it with a dynamic batch axis"
        )
    given = [3, preprocessor.height, preprocessor.width]
    if any(
        isinstance(want, int) and want != have for want, have in zip(wanted, given, strict=True)
    ):
        raise ModelError(f"{graph} takes images {wanted}, but {PREPROCESSOR_FILE} makes {given}")
    answers = _logits_output(session).shape
    if len(answers) != 2 or (isinstance(answers[1], int) and answers[1] != classes):
        raise ModelError(f"{graph} answers {answers}, but config.json names {classes} classes")
