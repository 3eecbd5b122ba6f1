"""``make gpu-check`` with the device faked: whoever has a card runs it first."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeModel

from benchmarks.gpu import memory as memory_part
from benchmarks.gpu import runs
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.card import Usage, query
from benchmarks.gpu.learning import learning
from benchmarks.gpu.page import table
from benchmarks.gpu.parity import parity
from benchmarks.gpu_check import Part, check


def bench_in(folder: Path, seconds: float = 600) -> Bench:
    return Bench("cpu", folder, clips=2, end=time.monotonic() + seconds, faces=8)


class Card:
    """A card's memory that holds so many faces, which the model then runs into."""

    faces: int | None = None

    def allow(self, spare: int | None) -> None:
        self.faces = None if spare is None else 40 if spare else 0


class CardModel(FakeModel):
    """A model on that card, which moves to the CPU where even one face is too much."""

    device = "cuda:0"

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.card = card

    def logits(self, pixels: Any) -> Any:
        held = None if self.device == "cpu" else self.card.faces
        self.capacity = 1_000_000 if held is None else held
        return super().logits(pixels)

    def fall_back_to_cpu(self) -> bool:
        self.device = "cpu"
        return True


def test_a_part_that_fails_or_has_no_time_leaves_the_others(tmp_path: Path) -> None:
    def fails(bench: Bench) -> None:
        raise RuntimeError("no such kernel")

    parts: dict[str, tuple[float, Part]] = {
        "broken": (0.0, fails),
        "long": (1e6, fails),
        "good": (0.0, lambda _: [{"model": "a", "labels that differ": 0, "falls": False}]),
    }
    check(bench_in(tmp_path), parts)
    results = json.loads((tmp_path / "gpu-check.json").read_text())
    assert results["broken"] == "**Failed**: RuntimeError: no such kernel"
    assert results["long"].startswith("Left out: ")
    page = (tmp_path / "gpu-check.md").read_text()
    assert "## good\n\n| model | labels that differ | falls |" in page
    assert "| a | 0 | **no** |" in page


def test_rows_with_different_columns_make_one_table() -> None:
    rows: list[dict[str, Any]] = [
        {"way": "fp32", "faces/s": 1234.56},
        {"way": "fp16", "error": "a|b\nc"},
    ]
    assert table(rows).splitlines()[2:] == ["| fp32 | 1235 |  |", "| fp16 |  | a\\|b c |"]


def test_memory_halves_batches_and_then_moves_to_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = Card()
    monkeypatch.setattr(memory_part, "load", lambda *_: CardModel(card))
    crops = np.full((8, 4, 4, 3), 90, np.uint8)
    monkeypatch.setattr(Bench, "crops", lambda self, model: crops)
    fits, fails = memory_part.memory(bench_in(tmp_path), card)  # type: ignore[arg-type]
    assert (fits["batch after"], fits["moved to"]) == (32, "")
    assert (fails["batch after"], fails["moved to"]) == (1, "cpu")
    assert fits["largest Δp"] == fails["largest Δp"] == 0


def test_workers_are_tried_from_the_most_down_and_the_best_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds = {"16": 90.0, "8": 100.0}

    def run(self: Bench, name: str, *words: str) -> dict[str, Any]:
        named = dict(zip(words[::2], words[1::2], strict=True))
        return {"files/min": speeds.get(named["--workers"], 10.0), "wall": 1.0}

    monkeypatch.setattr(Bench, "run", run)
    monkeypatch.setattr(runs, "available_cpus", lambda: 16)
    rows = runs.workers(bench_in(tmp_path))
    assert [row["workers"] for row in rows[:5]] == [16, 8, 4, 2, 1]
    assert {row["workers"] for row in rows[5:]} == {8}
    assert [row.get("batch-size") for row in rows[5:8]] == [8, 32, 128]
    assert [row["precision"] for row in rows[8:]] == ["fp16", "bf16"]
    assert len(runs.workers(bench_in(tmp_path, seconds=1.5))) == 1


def test_usage_without_a_card_samples_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert query("utilization.gpu") is None
    with Usage() as usage:
        pass
    assert usage.idle is None


def test_a_card_s_usage_is_averaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '25, 1024'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr("benchmarks.gpu.card.SAMPLE_SECONDS", 0.01)
    with Usage() as usage:
        while not usage.busy:
            time.sleep(0.01)
    assert usage.idle == 0.75
    assert usage.used[0] == 1024


@pytest.mark.slow
def test_the_parts_run_on_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    monkeypatch.setattr("benchmarks.gpu.parity.LONGEST", 0.001)
    monkeypatch.setattr("benchmarks.gpu.learning.WAYS", ("fp32",))
    bench = bench_in(tmp_path)
    bench.prepare(None, "tiny")
    rows = [row for row in parity(bench) if row["model"] == "random ViT"]
    assert [row["way"] for row in rows if "error" in row] == ["fp16"]
    assert rows[0]["largest Δp"] == 0
    killed = runs.killed(bench)
    assert killed["CSV equal"]
    assert killed["largest Δp"] == 0
    (learnt,) = learning(bench)
    assert learnt["falls"]
