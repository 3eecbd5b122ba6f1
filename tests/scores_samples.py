"""Synthetic scores files for the tests of `evaluation`: what a run would have written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dfsubmit.hooks.interfaces import BoundAggregator, RegisteredAggregator
from dfsubmit.output.scores import write_scores
from dfsubmit.records import FileResult, FrameRecord, Kind, Status

MEAN = BoundAggregator(
    "mean",
    RegisteredAggregator("mean", lambda scores: float(scores.p_fake.mean()), "tests", frozenset()),
    {},
)
"""The mean of the frames, as an aggregator of the tests' own."""

LOWEST_PLUGIN = """
from dfsubmit.hooks import hookimpl

def lowest(scores):
    return float(scores.p_fake.min())

@hookimpl
def register_aggregators(register):
    register("lowest", lowest)
"""
"""A plugin file with the aggregator "lowest"."""


def make_result(name: str, p_fake: list[float], threshold: float = 0.5) -> FileResult:
    """A scored file with these frame probabilities."""
    mean = float(np.mean(p_fake))
    return FileResult(
        filename=name,
        status=Status.OK,
        label=int(mean > threshold),
        p_fake=mean,
        kind=Kind.VIDEO,
        frames_asked=len(p_fake),
        frames_decoded=len(p_fake),
        frames_with_face=len(p_fake),
        frames=[
            FrameRecord(index, index * 0.25, (10, 10, 60 + index, 70), 1.0 + index, float(p))
            for index, p in enumerate(p_fake)
        ],
    )


def make_failure(name: str, label: int = 0, status: Status = Status.NO_FACE) -> FileResult:
    """A file that failed, with its failure label."""
    return FileResult(filename=name, status=status, label=label, kind=Kind.VIDEO)


def make_run(
    folder: Path,
    n: int = 60,
    seed: int = 0,
    shift: float = 0.0,
    name: str = "submission",
    meta: dict[str, object] | None = None,
) -> tuple[Path, Path]:
    """Write scores of `n` files in 20 groups, with metadata, and their labels.

    Args:
        shift: added to every probability: a badly calibrated model.

    Returns:
        The scores file and the labels file.
    """
    random = np.random.default_rng(seed)
    results, rows = [], ["filename,label,group,method"]
    for number in range(n):
        label = number % 2
        centre = random.normal(0.4 + 0.2 * label + shift, 0.12)
        p_fake = np.clip(random.normal(centre, 0.1, size=16), 0, 1).round(6)
        results.append(make_result(f"{number:03d}.mp4", p_fake.tolist()))
        method = ("swap", "talk")[number % 4 // 2] if label else ""
        rows.append(f"{number:03d}.mp4,{label},g{number % 20},{method}")
    scores, labels = folder / f"{name}.scores.jsonl", folder / "labels.csv"
    write_scores(scores, results)
    (folder / f"{name}.meta.json").write_text(json.dumps(meta or {}))
    labels.write_text("\n".join(rows) + "\n")
    return scores, labels
