"""What a plugin implements: the types of aggregators, detectors, model loaders and models.

Light on purpose: importing this imports neither torch nor OpenCV.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.records import Detector, Features, FrameScores, Pixels

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


MakeDetector = Callable[..., Detector]
"""``make(**parameters) -> detector``: called once in every worker process, which hands it the
pictures one after the other. May raise `NotInstalled` where files or libraries are missing.

Parameters are keyword parameters with defaults, set in a spec such as ``name:key=value``.
"""


class RegisterDetector(Protocol):
    """Given to `register_detectors`."""

    def __call__(self, name: str, make: MakeDetector, *, landmarks: bool = False) -> None: ...


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
        folder: an unpacked Hugging Face model folder, which does not ask for code of its own.
        id2label: the class names in its ``config.json``, by index.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", "fp32", "bf16", "fp16" or "int8".
        threads: CPU threads that the model may use; 0 leaves it to the library.
        model_hash: SHA-256 of the folder's weights and configuration: the key for caches.
        faces: a folder of face crops for models that need faces before they can score, or None.
    """

    folder: Path
    id2label: Mapping[int, str] = field(default_factory=dict)
    device: str = "auto"
    precision: str = "auto"
    threads: int = 0
    model_hash: str = ""
    faces: Path | None = None


class FrameModel(Protocol):
    """A loaded model: faces in, logits out. What it may offer besides is in the protocols below.

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


@runtime_checkable
class NeedsFaces(Protocol):
    """Optional: a model that has to see faces before its first `logits`, to quantise itself.

    Attributes:
        faces_wanted: how many faces it would like; 0 where it needs none (any more).
    """

    @property
    def faces_wanted(self) -> int: ...

    def see(self, faces: Pixels) -> None:
        """Called once, where `faces_wanted` is not 0.

        Args:
            faces: of the run's own files, RGB uint8 (n, height, width, 3) at the size that
                `preprocessor` gives; 1 ≤ n ≤ `faces_wanted`.
        """
        ...


@runtime_checkable
class RecallsFaces(Protocol):
    """Optional, beside `NeedsFaces`: keeps what it made of the faces in a cache of its own."""

    def recall(self, key: str) -> bool:
        """Called once before `see`, which is not called where this is true.

        Args:
            key: SHA-256, in hexadecimal, of all that decides which faces `see` would be given.

        Returns:
            Whether the model took what it once made under this key, and needs no faces.
        """
        ...


@runtime_checkable
class Warns(Protocol):
    """Optional: a model of which the user should know something.

    Attributes:
        warnings: a line each; read once, before the first `logits` and after `see`.
    """

    @property
    def warnings(self) -> Sequence[str]: ...


@runtime_checkable
class TellsArithmetic(Protocol):
    """Optional: a model that says more of how it computes than `precision` does.

    Attributes:
        arithmetic: one line for the run's metadata.
    """

    @property
    def arithmetic(self) -> str: ...


@runtime_checkable
class MovesToCpu(Protocol):
    """Optional: a model that can leave a device whose memory does not hold one face's pass."""

    def fall_back_to_cpu(self) -> bool:
        """Move to the CPU, and change `device` and `precision` accordingly.

        Returns:
            False where the model is there already: the run then ends with an error.
        """
        ...


@runtime_checkable
class GivesFeatures(Protocol):
    """Optional: a model that gives what its last layer sees, besides what that makes of it.

    Attributes:
        feature_width: how many numbers a face has; 0 where this network has none to give.
    """

    @property
    def feature_width(self) -> int: ...

    def logits_and_features(self, pixels: Pixels) -> tuple[npt.NDArray[np.float32], Features]:
        """As `logits`, and the features from the same pass, float32 (n, feature_width).

        Called in place of `logits` where features are kept and `feature_width` is not 0.

        Raises:
            DeviceOutOfMemory: a smaller batch may work.
        """
        ...


class ModelLoader(Protocol):
    """A way to load model folders."""

    def rank(self, request: LoadRequest) -> int:
        """How well this loader suits the request: 0 not at all; the highest rank loads.

        The core's own loader answers 10 for a Hugging Face folder. It must be quick, and must not
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
class RegisteredDetector:
    """A detector under its name.

    Attributes:
        name: its own.
        make: gives it.
        landmarks: whether each of its faces has landmarks.
        source, plugin: where it came from, as in `loading.PluginInfo`.
    """

    name: str
    make: MakeDetector
    landmarks: bool
    source: str
    plugin: str


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
