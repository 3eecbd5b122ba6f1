"""ONNX Runtime's CUDA provider against the CPU, through the plugin dfsubmit-onnx."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.parity import compare, load, request, scores, speed
from dfsubmit.hooks import load_network, load_preprocessor
from dfsubmit.hooks.loading import load_plugins

_KEPT = ("config.json", "preprocessor_config.json", "dfsubmit_recipe.json")


def onnx(bench: Bench) -> list[dict[str, Any]]:
    """A row for each model, as `parity` gives them. `device` says which provider computed: without
    onnxruntime-gpu there is none for CUDA, and the row holds the loader's error."""
    rows: list[dict[str, Any]] = []
    for name, folder in bench.models.items():
        row: dict[str, Any] = {"model": name, "way": "ONNX Runtime"}
        rows.append(row)
        loader = load_plugins().loaders.get("onnx")
        if loader is None:
            row["error"] = "the plugin dfsubmit-onnx is not installed"
            continue
        try:
            copy = export(folder, bench.out / f"onnx-{folder.name}")
            model = loader.load(request(copy, bench.device, "fp32"))
            crops = bench.crops(folder)
            row |= compare(scores(model, crops), scores(load(folder, "cpu", "fp32"), crops))
            row |= {"faces/s": speed(model, crops), "computed on": model.device}
        except Exception as error:
            row["error"] = str(error)
    return rows


def export(folder: Path, target: Path) -> Path:
    """A copy of a Hugging Face folder whose network is ``model.onnx``, for batches of any size."""
    import torch

    class Logits(torch.nn.Module):  # type: ignore[misc]  # torch is Any to mypy here
        def __init__(self) -> None:
            super().__init__()
            self.network = load_network(folder).float()

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            return self.network(pixel_values=pixel_values).logits

    target.mkdir(exist_ok=True)
    for name in _KEPT:
        shutil.copy(folder / name, target)
    preprocessor = load_preprocessor(folder)
    torch.onnx.export(
        Logits().eval(),
        (torch.zeros(2, 3, preprocessor.height, preprocessor.width),),
        str(target / "model.onnx"),
        input_names=["pixel_values"],
        output_names=["logits"],
        dynamic_shapes={"pixel_values": {0: torch.export.Dim("batch", max=1024)}},
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    return target
