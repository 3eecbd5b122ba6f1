"""`dfsubmit finetune` on the card: steps a second, and a loss that falls.

The faces are the clips' own; their fakes are the same faces as negatives. That is learnt
soon, which is all that is asked here: whether the arithmetic learns.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.gpu.bench import Bench
from benchmarks.measure import measure

WAYS = ("fp32", "fp16", "bf16")
FACES = 64
BATCH = 16
EPOCHS = 8


def learning(bench: Bench) -> list[dict[str, Any]]:
    """A row for each precision: steps a second as the Trainer counts them, and the validation
    loss at the first and at the last evaluation."""
    faces = _extract(bench)
    rows: list[dict[str, Any]] = []
    for precision in WAYS:
        try:
            rows.append({"precision": precision, **_finetune(bench, faces, precision)})
        except RuntimeError as error:
            rows.append({"precision": precision, "error": str(error)})
    return rows


def _extract(bench: Bench) -> Path:
    crops = bench.crops(bench.models["random ViT"])[:FACES]
    source = bench.out / "crops"
    for label in ("real", "fake"):
        (source / label).mkdir(parents=True)
    for number, crop in enumerate(crops):
        picture = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(source / f"real/{number:03}.png"), picture)
        cv2.imwrite(str(source / f"fake/{number:03}.png"), 255 - picture)
    faces = bench.out / "faces"
    command = ["-m", "dfsubmit", "extract", source, faces, "--already-cropped"]
    measure([sys.executable, *map(str, command)], bench.out / "extract.txt")
    return faces


def _finetune(bench: Bench, faces: Path, precision: str) -> dict[str, Any]:
    output = bench.out / f"learnt-{precision}"
    command = ["-m", "dfsubmit", "finetune", faces, "--base", bench.models["random ViT"]]
    command += ["--output", output, "--device", bench.device, "--precision", precision]
    command += ["--epochs", EPOCHS, "--batch-size", BATCH, "--lr", "3e-4", "--eval-steps", 4]
    cost = measure([sys.executable, *map(str, command)], bench.out / f"learnt-{precision}.txt")
    metrics = json.loads((output / "metrics.json").read_text())
    losses = [row["loss"] for row in metrics["history"]]
    steps = metrics["history"][-1]["step"]
    return {
        "steps": steps,
        "wall": cost.wall,
        "steps/s": steps / metrics["seconds"] if metrics.get("seconds") else None,
        "loss at first": losses[0],
        "loss at last": losses[-1],
        "falls": losses[-1] < losses[0],
    }
