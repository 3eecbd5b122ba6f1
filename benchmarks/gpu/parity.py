"""The card's arithmetic against the CPU's, on the same faces, and how fast each way is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.bench import Bench
from dfsubmit.hooks import FrameModel, LoadRequest
from dfsubmit.models.fakeclass import resolve_fake_class
from dfsubmit.models.huggingface import HuggingFaceLoader
from dfsubmit.records import FloatArray, Pixels
from dfsubmit.scoring.classifier import Classifier

BATCH = 32
PASSES, LONGEST = 20, 3.0
"""A speed is measured over so many forward passes, or so many seconds if they come first."""

WORTH = 1.3
"""What a compiled model must gain to be worth an option."""

WAYS = (
    ("fp32 as it runs", "fp32", None),
    ("fp32, TF32 off", "fp32", False),
    ("fp32, TF32 on", "fp32", True),
    ("fp16", "fp16", None),
    ("bf16", "bf16", None),
)


def parity(bench: Bench) -> list[dict[str, Any]]:
    """A row for each model and way: labels that differ from the CPU's at 0.5, the largest
    difference of p_fake, and faces a second in batches of 32."""
    rows: list[dict[str, Any]] = []
    for name, folder in bench.models.items():
        crops = bench.crops(folder)
        exact = scores(load(folder, "cpu", "fp32"), crops)
        for way, precision, tf32 in WAYS:
            row: dict[str, Any] = {"model": name, "way": way}
            try:
                with allow_tf32(tf32):
                    model = load(folder, bench.device, precision)
                    found = scores(model, crops)
                    row |= compare(found, exact) | {"faces/s": speed(model, crops)}
            except Exception as error:  # a precision that this device has not: the row says so
                row["error"] = str(error)
            rows.append(row)
    return rows


def compiled(bench: Bench) -> list[dict[str, Any]]:
    """What ``torch.compile`` gains: forward passes a second with it over those without."""
    import torch

    rows: list[dict[str, Any]] = []
    for precision in ("fp32", "fp16"):
        folder = bench.models["random ViT"]
        crops = bench.crops(folder)
        row: dict[str, Any] = {"precision": precision}
        try:
            model = load(folder, bench.device, precision)
            plain, before = speed(model, crops), scores(model, crops)
            started = time.perf_counter()
            model._network = torch.compile(model._network)
            row |= compare(scores(model, crops), before)
            row["seconds to compile"] = time.perf_counter() - started
            row["gain"] = speed(model, crops) / plain
            row["worth an option"] = row["gain"] > WORTH
        except Exception as error:  # no C compiler, no Triton: no gain to be had
            row["error"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        rows.append(row)
    return rows


def request(folder: Path, device: str, precision: str) -> LoadRequest:
    """What a loader is asked for."""
    labels = json.loads((folder / "config.json").read_text())["id2label"]
    named = {int(index): name for index, name in labels.items()}
    return LoadRequest(folder, named, device=device, precision=precision)


def load(folder: Path, device: str, precision: str) -> Any:
    """The model through the core's own loader."""
    return HuggingFaceLoader().load(request(folder, device, precision))


def scores(model: FrameModel, crops: Pixels) -> FloatArray:
    """p_fake of each crop."""
    return Classifier(model, resolve_fake_class(model.id2label), BATCH).p_fake(crops)


def compare(found: FloatArray, exact: FloatArray) -> dict[str, Any]:
    """How many labels flip at 0.5, and how far p_fake moves at most."""
    return {
        "labels that differ": int(((found > 0.5) != (exact > 0.5)).sum()),
        "of": len(exact),
        "largest Δp": float(np.abs(found - exact).max()),
    }


def speed(model: FrameModel, crops: Pixels) -> float:
    """Faces a second over some batches, after one that is not counted; logits come back to the
    CPU, so that a pass has ended when the clock is read."""
    batch = np.resize(crops, (BATCH, *crops.shape[1:]))
    model.logits(batch)
    started, passes, seconds = time.perf_counter(), 0, 0.0
    while passes < PASSES and seconds < LONGEST:
        model.logits(batch)
        passes, seconds = passes + 1, time.perf_counter() - started
    return passes * BATCH / seconds


@contextmanager
def allow_tf32(allowed: bool | None) -> Iterator[None]:
    """Set torch's two switches for TF32 (matrix products, cuDNN); None leaves them."""
    import torch

    if allowed is None:
        yield
        return
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = allowed
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before
