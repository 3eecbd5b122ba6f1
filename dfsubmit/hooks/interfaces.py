"""The types that a plugin implements: aggregators, detectors, model loaders and models.

Importing this module imports neither torch nor OpenCV.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
"""``bounds(scores, remaining, **parameters) -> (low, high)``: the range of the
aggregate after `remaining` further frames. Each of these may have no face, or a face with any
probability in [0, 1]."""

PROPERTIES = ("idempotent", "monotone", "order_independent")
"""Properties that an aggregator may declare; `dfsubmit.hooks.testing.check_aggregator` tests them.
In this order: frames of one probability give that probability; raising a frame's probability never
lowers the result; the order of the frames does not matter."""


MakeDetector = Callable[..., Detector]
"""``make(**parameters) -> detector``: called once in every worker process, which passes it
one image at a time. May raise `NotInstalled` if files or libraries are missing.

Parameters are keyword parameters with defaults, set in a spec such as ``name:key=value``.
"""


@dataclass(frozen=True)
class LoadRequest:
    """What a model loader is asked to load.

    Attributes:
        folder: an unpacked Hugging Face model folder that does not require custom code.
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
    """A loaded model: faces in, logits out. The protocols below are optional extensions.

    Attributes:
        id2label: the model's own class names by index.
        preprocessor: how crops become its input; its `resize` part runs in the workers.
        device: the device, as shown to users ("cpu", "cuda:0", "cpu (OpenVINO)").
        precision: the precision in use ("fp32", "bf16", "fp16", "int8").
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
    """Optional: a model that needs faces before its first `logits`, for example to quantise itself.

    Attributes:
        faces_wanted: the number of faces it asks for; 0 if it needs none, or no more.
    """

    @property
    def faces_wanted(self) -> int: ...

    def see(self, faces: Pixels) -> None:
        """Calibrate with faces; called once, if `faces_wanted` is not 0.

        Args:
            faces: faces from the run's files, RGB uint8 (n, height, width, 3) at the size that
                `preprocessor` gives; 1 ≤ n ≤ `faces_wanted`.
        """
        ...


@runtime_checkable
class RecallsFaces(Protocol):
    """Optional, with `NeedsFaces`: a model that caches what it computed from the faces."""

    def recall(self, key: str) -> bool:
        """Look up the cache; called once before `see`, which is not called if this returns True.

        Args:
            key: SHA-256, in hexadecimal, of everything that determines the faces for `see`.

        Returns:
            Whether the model used the cached result for this key, and needs no faces.
        """
        ...


@runtime_checkable
class Warns(Protocol):
    """Optional: a model that has warnings for the user.

    Attributes:
        warnings: one line each; read once, after `see` and before the first `logits`.
    """

    @property
    def warnings(self) -> Sequence[str]: ...


@runtime_checkable
class TellsArithmetic(Protocol):
    """Optional: a model that describes its arithmetic in more detail than `precision`.

    Attributes:
        arithmetic: one line for the run's metadata.
    """

    @property
    def arithmetic(self) -> str: ...


@runtime_checkable
class MovesToCpu(Protocol):
    """Optional: a model that can move to the CPU if its device's memory cannot hold one face."""

    def fall_back_to_cpu(self) -> bool:
        """Move to the CPU, and change `device` and `precision` accordingly.

        Returns:
            False if the model is on the CPU already; the run then ends with an error.
        """
        ...


@runtime_checkable
class GivesFeatures(Protocol):
    """Optional: a model that can also return the input of its last layer.

    Attributes:
        feature_width: the length of a face's feature vector; 0 if this network has none.
    """

    @property
    def feature_width(self) -> int: ...

    def logits_and_features(self, pixels: Pixels) -> tuple[npt.NDArray[np.float32], Features]:
        """Logits as from `logits`, and the features of the same pass, float32 (n, feature_width).

        Called instead of `logits` if features are kept and `feature_width` is not 0.

        Raises:
            DeviceOutOfMemory: a smaller batch may work.
        """
        ...


class ModelLoader(Protocol):
    """Loads model folders."""

    def rank(self, request: LoadRequest) -> int:
        """How well this loader suits the request: 0 if it cannot load it; the highest rank is used.

        The built-in loader returns 10 for a Hugging Face folder. `rank` must be fast, and must not
        import heavy libraries for folders that the loader cannot load.
        """
        ...

    def load(self, request: LoadRequest) -> FrameModel:
        """Load the model for inference.

        Raises:
            DfsubmitError: it cannot be loaded; the message names the folder and the reason.
        """
        ...


@dataclass(frozen=True)
class Prepared:
    """What a loader has kept with a model.

    Attributes:
        folder: the folder with it, inside the model's.
        arithmetic: one line on how the model computes with it.
        warnings: for the user, one line each.
    """

    folder: Path
    arithmetic: str
    warnings: tuple[str, ...] = ()


@runtime_checkable
class PreparesModels(Protocol):
    """Optional, of a loader: it can keep with the model folder what each run would have to make."""

    def prepare(self, request: LoadRequest) -> Prepared:
        """Make it, and keep it in ``request.folder``; `load` then uses it for the same precision.

        The model's hash must not change: nothing is added to the weights or the configuration.
        What belongs to other weights, or is damaged, must not be used by `load`.

        Raises:
            DfsubmitError: it cannot be made or kept, or there is nothing to prepare.
        """
        ...


@dataclass(frozen=True)
class RegisteredAggregator:
    """A registered aggregator with its name, declared properties and origin."""

    name: str
    function: Aggregator
    plugin: str
    properties: frozenset[str]
    bounds: Bounds | None = None


@dataclass(frozen=True)
class RegisteredDetector:
    """A registered detector.

    Attributes:
        name: its name in specs.
        make: creates the detector.
        landmarks: whether each of its faces has landmarks.
        source, plugin: its origin, as in `loading.PluginInfo`.
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
        registered: the registered aggregator.
        parameters: the keyword arguments.
    """

    spec: str
    registered: RegisteredAggregator
    parameters: Mapping[str, Any]

    def __call__(self, scores: FrameScores) -> float:
        return self.registered.function(scores, **self.parameters)

    def bounds(self, scores: FrameScores, remaining: int) -> tuple[float, float] | None:
        """The registered bounds with the parameters set, or None if none are declared."""
        if self.registered.bounds is None:
            return None
        return self.registered.bounds(scores, remaining, **self.parameters)
