"""An fp32 graph and some faces → an int8 graph, and the drift of these faces' probabilities.

Post-training quantisation by NNCF, in a child process. The settings depend on the graph, because no
settings work for all architectures. Each graph stores its drift from fp32, which is reported to the
user.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dfsubmit.hooks import NotInstalled
from dfsubmit_openvino.children import run_job
from dfsubmit_openvino.mapped import MappedGraph
from dfsubmit_openvino.runtime import compile_graph, load_openvino, nncf_release
from dfsubmit_openvino.store import NoRoom, Stored, find, find_or_make

SMOOTHING = 0.8
"""Alpha of SmoothQuant (Xiao et al. 2023, https://arxiv.org/abs/2211.10438): how much of the
activations' range moves into the weights. With NNCF's own, 0.95, probabilities move further:
docs/performance.md."""

_RT_INFO = "dfsubmit_drift"
_BATCH = 8
_HINT = "take --precision bf16, which needs no quantising"


@dataclass(frozen=True)
class Drift:
    """How far an int8 graph is from the fp32 one, on the faces that it was calibrated on.

    Attributes:
        faces: how many.
        mean, largest: of the faces' largest change of a class's probability, in [0, 1].
        changed: faces that have another most likely class.
    """

    faces: int
    mean: float
    largest: float
    changed: int

    def __str__(self) -> str:
        return (
            f"int8 moves the probabilities of its {_faces(self.faces, 'calibration ')} by "
            f"{self.mean:.3f} on average and {self.largest:.3f} at most, and gives {self.changed} "
            "of them another class"
        )

    @property
    def unsuitable(self) -> bool:
        """More than one face in twenty with another class: what int8 must not cost."""
        return self.changed * 20 > self.faces

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to tell the user, if it is `unsuitable`."""
        return (
            (f"{self}: --precision bf16 or fp32 suits this model better",)
            if self.unsuitable
            else ()
        )


def recall(model_hash: str, key: str) -> Stored | None:
    """The int8 graph that was cached under this model and key, or None."""
    return find(model_hash, _variant(key))


def quantise(
    exact: Callable[[], Stored], model_hash: str, key: str, images: npt.NDArray[np.float32]
) -> Stored:
    """A graph with int8 weights and activations; `drift_of` tells how far it is off.

    Args:
        exact: gives the fp32 graph; called if it is needed.
        model_hash: of the folder that it came from; "" quantises without the cache.
        key: names the images in the cache.
        images: float32 (n, 3, height, width), normalised, n ≥ 1.

    Raises:
        NotInstalled: nncf is missing.
        ModelError: NNCF cannot quantise it.
        DfsubmitError: the graph cannot be written anywhere.
    """

    def make(target: Path) -> None:
        if importlib.util.find_spec("nncf") is None:
            raise NotInstalled("--precision int8 needs the package 'nncf'", "pip install nncf")
        graph, faces = exact(), target.with_name("faces.npy")
        try:
            np.save(faces, images)
        except OSError as error:
            raise NoRoom(str(error)) from error
        settings = {
            "job": "quantise",
            "target": str(target),
            "graph": str(graph.folder),
            "faces": str(faces),
        }
        run_job(f"quantising to int8 with {_faces(len(images))}", settings, _HINT)

    return find_or_make(model_hash, _variant(key), make)


def drift_of(graph: Any) -> Drift:
    """What `quantise` noted in its graph."""
    faces, mean, largest, changed = graph.get_rt_info(_RT_INFO).astype(str).split(" ")
    return Drift(int(faces), float(mean), float(largest), int(changed))


def quantise_stored(folder: Path, faces: Path) -> Any:
    """`quantise`, in this process, which should do nothing else: an `openvino.Model`.

    Args:
        folder: with the fp32 graph.
        faces: an .npy file with the images.
    """
    load_openvino()
    # NNCF takes torch along where there is one, which costs 120 MiB and two seconds.
    sys.modules.setdefault("torch", None)  # type: ignore[arg-type]
    import nncf

    images = np.load(faces, allow_pickle=False)
    exact = MappedGraph(folder)
    dataset = nncf.Dataset([image[np.newaxis] for image in images])
    quantised = nncf.quantize(
        exact.graph.clone(), dataset, subset_size=len(images), **_settings(exact.graph)
    )
    drift = _measure(exact.graph, quantised, images)
    text = f"{drift.faces} {drift.mean:.6f} {drift.largest:.6f} {drift.changed}"
    quantised.set_rt_info(text, _RT_INFO)
    return quantised


def _settings(graph: Any) -> dict[str, Any]:
    """What suits the graph's architecture, of `nncf.quantize`'s parameters.

    Ranges are taken from histograms: cut to a mean of the minima and maxima, NNCF's default, they
    lose the outliers that decide. Activations are asymmetric in both cases, as GELU's are.
    """
    import nncf
    from nncf.quantization.advanced_parameters import (
        AdvancedQuantizationParameters,
        AdvancedSmoothQuantParameters,
    )
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    ranges = RangeEstimatorParametersSet.HISTOGRAM
    convolutions = [op for op in graph.get_ops() if "Convolution" in op.get_type_name()]
    if len(convolutions) > 1:
        return {
            "preset": nncf.QuantizationPreset.MIXED,
            "advanced_parameters": AdvancedQuantizationParameters(
                activations_range_estimator_params=ranges
            ),
        }
    # A transformer: its one convolution embeds the patches, costs next to nothing and reads the
    # picture itself. It stays fp32.
    return {
        "model_type": nncf.ModelType.TRANSFORMER,
        "ignored_scope": nncf.IgnoredScope(types=["Convolution"], validate=False),
        "advanced_parameters": AdvancedQuantizationParameters(
            activations_range_estimator_params=ranges,
            smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=SMOOTHING),
        ),
    }


def _measure(graph: Any, quantised: Any, images: npt.NDArray[np.float32]) -> Drift:
    exact, moved = (_probabilities(each, images) for each in (graph, quantised))
    change = np.abs(exact - moved).max(axis=1)
    changed = int((exact.argmax(axis=1) != moved.argmax(axis=1)).sum())
    return Drift(len(images), float(change.mean()), float(change.max()), changed)


def _probabilities(graph: Any, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    compiled = compile_graph(graph, "fp32")
    batches = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
    rows = [next(iter(compiled(batch).values())).copy() for batch in batches]
    logits = np.concatenate(rows).astype(np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _variant(key: str) -> str:
    return f"int8-{key[:32]}-nncf{nncf_release()}"


def _faces(count: int, kind: str = "") -> str:
    return f"{count} {kind}{'face' if count == 1 else 'faces'}"
