"""Hugging Face folder → fp32 OpenVINO graph, made once, in a child process, and cached."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from dfsubmit.hooks import ModelError, load_network
from dfsubmit_openvino.children import run_job
from dfsubmit_openvino.runtime import load_openvino
from dfsubmit_openvino.store import Stored, find_or_make

_HINT = "run it with --loader huggingface"


def convert(folder: Path, model_hash: str, height: int, width: int) -> Stored:
    """The folder's classifier as an fp32 graph: float32 (n, 3, height, width) → logits.

    Args:
        folder: a Hugging Face folder with weights.
        model_hash: of the folder's contents; "" converts without the cache.
        height, width: of the model's input.

    Raises:
        ModelError: the weights cannot be loaded, or OpenVINO cannot convert the model.
        DfsubmitError: the graph cannot be written anywhere.
    """

    def make(target: Path) -> None:
        settings = {
            "job": "convert",
            "target": str(target),
            "folder": str(folder),
            "height": height,
            "width": width,
        }
        run_job(f"converting {folder.name} for OpenVINO", settings, _HINT)

    return find_or_make(model_hash, "fp32", make)


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


def convert_folder(folder: Path, height: int, width: int) -> Any:
    """`convert`, in this process: an `openvino.Model`.

    Raises:
        ModelError: see `convert`.
    """
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
        raise ModelError(f"{folder}: OpenVINO cannot convert it: {reason}", _HINT) from error
