"""The figures of the small model's page, one row a domain, from extracted faces.

    python -m benchmarks.small_model_figures MODEL FACES... [--part test] [--stress 300]

FACES are folders of ``dfsubmit extract`` whose ``split`` column is given. Prints, for each data
set, the AUC of single faces with its 95 % interval (resampled by group), and the shares of real
and of fake faces that are called fake at 0.5. With ``--stress N``, the faces are N real and N fake
ones of each data set, and each degradation of ``dfsubmit stress`` is applied to the crop itself.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dfsubmit.evaluation.stress.degrade import VARIANTS, degrade_file
from dfsubmit.extraction.index import FaceRow, read_index
from dfsubmit.finetuning.data.dataset import read_crop
from dfsubmit.hooks.interfaces import LoadRequest
from dfsubmit.intervals.auc import auc_interval
from dfsubmit.intervals.groups import group_numbers
from dfsubmit.metrics import Predictions, point
from dfsubmit.models.fakeclass import resolve_fake_class
from dfsubmit.models.huggingface import HuggingFaceLoader
from dfsubmit.records import FloatArray, Pixels

BATCH = 32


class Judge:
    """A model folder that says how fake a crop is."""

    def __init__(self, folder: Path) -> None:
        self.model = HuggingFaceLoader().load(LoadRequest(folder))
        self.fake = resolve_fake_class(self.model.id2label)

    def __call__(self, paths: Sequence[Path]) -> FloatArray:
        """The probability of fake of each, float64 (n,)."""
        found = []
        for start in range(0, len(paths), BATCH):
            crops: list[Pixels] = [
                self.model.preprocessor.resize(read_crop(path)) for path in paths[start:][:BATCH]
            ]
            logits = self.model.logits(np.stack(crops)).astype(np.float64)
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            found.append(shares[:, self.fake] / shares.sum(axis=1))
        return np.concatenate(found)


def line(name: str, rows: Sequence[FaceRow], p_fake: FloatArray) -> str:
    """One row of the table."""
    labels = np.array([row.label for row in rows])
    called = [
        f"{100 * (p_fake[labels == label] > 0.5).mean():.0f} %" if (labels == label).any() else "–"
        for label in (0, 1)
    ]
    auc = "–"
    if 0 < labels.sum() < len(labels):
        predictions = Predictions(
            labels, (p_fake > 0.5).astype(int), p_fake, np.ones(len(labels), bool)
        )
        groups = group_numbers([row.group for row in rows])
        low, high = auc_interval(predictions, groups)
        auc = f"{point(predictions, ['auc'])['auc']:.3f} [{low:.3f}, {high:.3f}]"
    counts = f"{(labels == 0).sum()} | {(labels == 1).sum()}"
    return f"| {name} | {counts} | {auc} | {called[0]} | {called[1]} |"


def chosen(rows: Sequence[FaceRow], each: int) -> list[int]:
    """The places of up to `each` faces of either class, spread over the rows."""
    places: list[int] = []
    for label in (0, 1):
        own = [place for place, row in enumerate(rows) if row.label == label]
        step = max(1, len(own) // each)
        places += own[::step][:each]
    return sorted(places)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("faces", type=Path, nargs="+")
    parser.add_argument("--part", default="test", choices=("train", "val", "test"))
    parser.add_argument("--stress", type=int, default=0)
    options = parser.parse_args()
    judge = Judge(options.model)
    tables: dict[str, list[tuple[FaceRow, Path]]] = defaultdict(list)
    for folder in options.faces:
        for row in read_index(folder)[0]:
            if row.split == options.part:
                tables[row.dataset].append((row, folder / row.crop))
    print("| data set | real | fake | AUC | real called fake | fake called fake |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, table in tables.items():
        rows, paths = [row for row, _ in table], [path for _, path in table]
        if options.stress:
            places = chosen(rows, options.stress)
            rows, paths = [rows[i] for i in places], [paths[i] for i in places]
        print(line(name, rows, judge(paths)), flush=True)
        for variant in VARIANTS.values() if options.stress else ():
            with tempfile.TemporaryDirectory() as scratch:
                changed = [Path(scratch, f"{i}.png") for i in range(len(paths))]
                for source, target in zip(paths, changed, strict=True):
                    degrade_file(source, target, variant, 1)
                print(line(f"{name}, {variant.name}", rows, judge(changed)), flush=True)


if __name__ == "__main__":
    main()
