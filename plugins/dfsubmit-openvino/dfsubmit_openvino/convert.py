"""Hugging Face folder → OpenVINO graph, made once and cached.

In: a folder with weights, and the hash of its contents. Out: an fp32 `openvino.Model`. The names in
the cache contain everything that a graph depends on, so that no entry is outdated. Each graph has a
checksum beside it, so that damage is detected.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs

from dfsubmit.hooks import ModelError, load_network

# Raised when this module converts differently than before.
_FORMAT = 3
_GRAPH, _WEIGHTS, _CHECKSUM = "model.xml", "model.bin", "sha256"


def load_openvino() -> Any:
    """The module ``openvino``, with its telemetry switched off for this process.

    By default converting and quantising report to Google Analytics (`openvino_telemetry`). A run
    talks to nobody, and on a machine without a network it must not wait for an answer either.
    """
    if "openvino_telemetry" not in sys.modules:
        # What cannot be imported is replaced by OpenVINO's and NNCF's own stubs.
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino


@functools.cache
def openvino_core() -> Any:
    """The one `openvino.Core` of this process, kept for as long as the process lives.

    Its documentation asks for a single one. With one for each model, OpenVINO may unload the CPU
    device's code as the last model goes, while a thread of its own is still running in it.
    """
    return load_openvino().Core()


def convert(folder: Path, model_hash: str, height: int, width: int) -> Any:
    """The folder's classifier as an fp32 `openvino.Model`: float32 (n, 3, height, width) → logits.

    Args:
        folder: a Hugging Face folder with weights.
        model_hash: of the folder's contents; "" converts without the cache.
        height, width: of the model's input.

    Raises:
        ModelError: the weights cannot be loaded, or OpenVINO cannot convert the model.
    """
    return cached(model_hash, "fp32", lambda: _convert(folder, height, width))


def compile_graph(graph: Any, precision: str, threads: int = 0) -> Any:
    """An `openvino.CompiledModel` for the CPU.

    Args:
        graph: an `openvino.Model`.
        precision: of what is not quantised: "fp32" or "bf16".
        threads: how many it may use; 0 leaves it to OpenVINO.
    """
    # The hint is stated because OpenVINO would by itself take bf16 on a CPU that has it.
    # Threads pinned to cores would fight with the workers, which decode on the same ones.
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "ENABLE_CPU_PINNING": False,
    }
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    return openvino_core().compile_model(graph, "CPU", settings)


def cache_folder() -> Path:
    """The folder of converted graphs."""
    return Path(platformdirs.user_cache_dir("dfsubmit")) / "openvino"


def cached(model_hash: str, variant: str, make: Callable[[], Any]) -> Any:
    """A graph from the cache, or made now and put there.

    Args:
        model_hash: of the model's folder; "" goes without the cache.
        variant: names all that it depends on besides the model, OpenVINO and this module.
        make: makes the graph, or None, which is not kept.
    """
    if not model_hash:
        return make()
    openvino = load_openvino()
    release = openvino.__version__.split("-")[0]
    name = f"{model_hash[:32]}-{variant}-openvino{release}-{_FORMAT}"
    folder = cache_folder() / name
    try:
        if (folder / _CHECKSUM).read_text() == _checksum(folder):
            return openvino_core().read_model(folder / _GRAPH)
    except (OSError, ValueError, RuntimeError):
        pass  # not there, or damaged
    graph = make()
    if graph is not None:
        _store(graph, folder)
    return graph


def _checksum(folder: Path) -> str:
    """SHA-256 over a stored graph and its weights."""
    digest = hashlib.sha256()
    for name in (_GRAPH, _WEIGHTS):
        with (folder / name).open("rb") as stream:
            while chunk := stream.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()


def _store(model: Any, folder: Path) -> None:
    """Save a graph atomically; on a full disk, the graph is only not cached."""
    scratch = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.mkdtemp(dir=folder.parent)
        # Weights stay fp32: halved ones would move probabilities.
        load_openvino().save_model(model, Path(scratch) / _GRAPH, compress_to_fp16=False)
        (Path(scratch) / _CHECKSUM).write_text(_checksum(Path(scratch)))
        # An existing entry is damaged, or another process has just written the same.
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(scratch, folder)
    except (OSError, RuntimeError):
        # Another process was quicker, or the disk is full.
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _with_plain_pooling(network: Any, torch: Any) -> Any:
    """The same network, of transformers' EfficientNets, in what OpenVINO takes.

    They pool with a window of their channels' number, which is larger than any map. PyTorch then
    takes the mean of the whole map; OpenVINO refuses such a window. And gates of
    squeeze-and-excitation that do not look at the picture and are 1 are left out.
    """
    part = getattr(network, "efficientnet", None)
    if part is None:
        return network
    if isinstance(part.pooler, torch.nn.AvgPool2d):
        part.pooler = torch.nn.AdaptiveAvgPool2d(1)
    for block in part.encoder.blocks:
        expand = block.squeeze_excite.expand
        if not expand.weight.any() and bool((expand.bias.sigmoid() == 1).all()):
            block.squeeze_excite = torch.nn.Identity()
    return network


def _convert(folder: Path, height: int, width: int) -> Any:
    import torch

    openvino = load_openvino()

    class Logits(torch.nn.Module):  # type: ignore[misc]  # torch is Any to mypy here
        def __init__(self) -> None:
            super().__init__()
            self.network = _with_plain_pooling(load_network(folder), torch)

        def forward(self, pixel_values: torch.Tensor) -> Any:
            return self.network(pixel_values=pixel_values).logits

    network = Logits().eval()
    try:
        with warnings.catch_warnings():
            # Tracing warns of every shape check in the model; the shape is always the same.
            warnings.simplefilter("ignore")
            return openvino.convert_model(
                network,
                # Two images, so that tracing cannot take the batch for a constant 1.
                example_input=torch.zeros(2, 3, height, width),
                input=[("pixel_values", [-1, 3, height, width])],
            )
    except Exception as error:  # whatever the converter makes of an unknown architecture
        reason = str(error).strip().split("\n")[0]
        raise ModelError(
            f"{folder}: OpenVINO cannot convert it: {reason}", "run it with --loader huggingface"
        ) from error
