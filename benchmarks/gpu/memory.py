"""Out of memory: batches are halved until they fit, and at one face the run moves to the CPU.

The limit is set through torch's own allocator, so the card itself is never full.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.parity import load
from dfsubmit.hooks import FrameModel
from dfsubmit.models.fakeclass import resolve_fake_class
from dfsubmit.records import Pixels
from dfsubmit.scoring.classifier import Classifier

BATCH = 256
SPARE = 192 * 2**20
"""Bytes beyond the weights: ViT-Base takes about 10 MiB a face, so a batch of 256 does not fit."""


class Allocator:
    """torch's memory limit for this process on the first card."""

    def __init__(self) -> None:
        import torch

        self.cuda = torch.cuda
        self.total = self.cuda.get_device_properties(0).total_memory

    def allow(self, spare: int | None) -> None:
        """Let the process take `spare` bytes beyond what it holds; None lifts the limit."""
        self.cuda.empty_cache()
        held = self.cuda.memory_reserved(0)
        share = 1.0 if spare is None else min((held + spare) / self.total, 1.0)
        self.cuda.set_per_process_memory_fraction(share, 0)


def memory(bench: Bench, allocator: Allocator | None = None) -> list[dict[str, Any]]:
    """Two rows, for a limit that some faces fit under and for one that none does: the batch that
    was left, whether the model moved to the CPU, and how far p_fake is from the one without limit.

    Args:
        bench: where everything lies.
        allocator: sets the limit; default: the card's.
    """
    limits = allocator or Allocator()
    folder = bench.models["random ViT"]
    crops = np.resize(bench.crops(folder), (BATCH, *bench.crops(folder).shape[1:]))
    rows = []
    for name, spare in (("some faces fit", SPARE), ("no face fits", 0)):
        limits.allow(None)
        model = load(folder, bench.device, "fp32")
        free = _score(model, crops)
        limits.allow(spare)
        try:
            rows.append({"limit": name, **_under_limit(model, crops, free)})
        finally:
            limits.allow(None)
    return rows


def _score(model: FrameModel, crops: Pixels) -> Any:
    return Classifier(model, resolve_fake_class(model.id2label), 32).p_fake(crops)


def _under_limit(model: FrameModel, crops: Pixels, free: Any) -> dict[str, Any]:
    moved: list[str] = []
    classifier = Classifier(
        model,
        resolve_fake_class(model.id2label),
        BATCH,
        moved=lambda: moved.append(model.device),
    )
    found = classifier.p_fake(crops)
    return {
        "batch before": BATCH,
        "batch after": classifier.batch_size,
        "moved to": ", ".join(moved),
        "largest Δp": float(np.abs(found - free).max()),
    }
