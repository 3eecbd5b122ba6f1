"""What a plugin implements: the types of aggregators and of model loaders.

Light on purpose: importing this imports neither torch nor OpenCV.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.records import FrameScores, Pixels

Aggregator = Callable[..., float]
"""``aggregate(scores: FrameScores, **parameters) -> float``: one probability of fake in [0, 1].

Parameters are keyword parameters with defaults; users set them in a spec such as ``topk:k=5``.
"""

Bounds = Callable[..., tuple[float, float]]
"""``bounds(scores, remaining, **parameters) -> (low, high)``: the values that the aggregate can
still take once `remaining` further frames are known, each of which may hold no face at all, or a
face with any probability in [0, 1]."""

PROPERTIES = ("idempotent", "monotone", "order_independent")
"""What an aggregator may declare of itself, for `dfsubmit.hooks.testing.check_aggregator`
to hold it to: identical frames give that value; a higher frame never lowers the result; frame order
is moot."""


class RegisterAggregator(Protocol):
    """Given to `register_aggregators`."""

    def __call__(
        self,
        name: str,
        aggregator: Aggregator,
        *,
        properties: Collection[str] = (),
        bounds: Bounds | None = None,
    ) -> None: ...


@dataclass(frozen=True)
class LoadRequest:
    """What a model loader is asked for.

    Attributes:
        folder: an unpacked Hugging Face model folder.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", "fp32", "bf16", "fp16" or "int8".
        threads: CPU threads that the model may use; 0 leaves it to the library.
        model_hash: SHA-256 of the folder's weights and configuration: the key for caches.
        calibration: a folder of face crops for loaders that quantise, or None.
    """

    folder: Path
    device: str = "auto"
    precision: str = "auto"
    threads: int = 0
    model_hash: str = ""
    calibration: Path | None = None


class FrameModel(Protocol):
    """A loaded model: faces in, logits out.

    A model that has to see faces before it can score (to quantise itself) offers two things more:
    ``calibration_images: int``, how many it would like (0 for none), and ``calibrate(pixels)``,
    called once with at most so many, before the first `logits`. Two more are optional:
    ``recall(key) -> bool``, called before that, is true where it has taken what a calibration under
    this key once gave from a cache of its own, and needs no faces; ``warnings``, lines, tell the
    user afterwards how it went.

    ``arithmetic: str``, one line for the run's metadata, is optional as well.

    Attributes:
        id2label: the model's own class names by index.
        preprocessor: how crops become its input; its `resize` part runs in the workers.
        device: what it runs on, for people ("cpu", "cuda:0", "cpu (OpenVINO)").
        precision: the arithmetic in use ("fp32", "bf16", "fp16", "int8").
    """

    @property
    def id2label(self) -> Mapping[int, str]: ...
    @property
    def preprocessor(self) -> Preprocessor: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...

    def logits(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Logits, float32 (n, classes), for RGB uint8 faces (n, height, width, 3) at the size
        that `preprocessor` gives.

        Raises:
            DeviceOutOfMemory: a smaller batch may work.
        """
        ...


class ModelLoader(Protocol):
    """A way to load model folders."""

    def rank(self, request: LoadRequest) -> int:
        """How well this loader suits the request: 0 not at all; the highest rank loads.

        The core's own loader answers 10 for a Hugging Face folder. Must be quick, and must not
        import heavy libraries for folders that it cannot load.
        """
        ...

    def load(self, request: LoadRequest) -> FrameModel:
        """The model, ready to score.

        Raises:
            DfsubmitError: it cannot be loaded; the message names the folder and the reason.
        """
        ...


class RegisterModelLoader(Protocol):
    """Given to `register_model_loaders`."""

    def __call__(self, name: str, loader: ModelLoader) -> None: ...


@dataclass(frozen=True)
class RegisteredAggregator:
    """An aggregator under its name, with what it declares of itself and where it came from."""

    name: str
    function: Aggregator
    plugin: str
    properties: frozenset[str]
    bounds: Bounds | None = None


@dataclass(frozen=True)
class BoundAggregator:
    """An aggregator with its parameters set, as a spec such as ``topk:k=5`` asks.

    Attributes:
        spec: the canonical spec, for reports.
        registered: what it was made from.
        parameters: the keyword arguments.
    """

    spec: str
    registered: RegisteredAggregator
    parameters: Mapping[str, Any]

    def __call__(self, scores: FrameScores) -> float:
        return self.registered.function(scores, **self.parameters)

    def bounds(self, scores: FrameScores, remaining: int) -> tuple[float, float] | None:
        """The registered bounds with the parameters set, or None where none are declared."""
        if self.registered.bounds is None:
            return None
        return self.registered.bounds(scores, remaining, **self.parameters)
