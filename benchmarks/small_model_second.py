"""The faces of the small model's second pass: of both classes equally large, and fewer.

    python benchmarks/small_model_second.py FACES OUT [EVERY]

FACES is a folder of ``dfsubmit extract``. OUT gets those of every EVERY-th identity group
(default: 1, all), without the test part. Crops are shrunk
within each part: the k-th of n by size gets the smaller of the two sizes that the real and the fake
faces have at k/n. OpenForensics' real faces are smaller than its fakes (size alone tells them apart
with an AUC of 0.89), those of the StyleGAN 2 set are larger (0.97); scaled to one size, the smaller
ones are softer, and a network learns that instead of anything of the forgery.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import cv2
import numpy as np

from dfsubmit.extraction.index import FaceRow, read_index, write_index
from dfsubmit.finetuning.data.dataset import read_crop
from dfsubmit.labels import FAKE, REAL


def main(faces: Path, out: Path, every: int = 1) -> None:
    """Write the new folder."""
    rows, recipe = read_index(faces)
    kept = []
    for part in ("train", "val"):
        own = [row for row in rows if row.split == part]
        groups = set(sorted({row.group for row in own})[::every])
        kept += [row for row in own if row.group in groups]
    out.mkdir(parents=True)
    write_index(out, kept, recipe)
    for part in ("train", "val"):
        copy([row for row in kept if row.split == part], faces, out)


def copy(rows: list[FaceRow], faces: Path, out: Path) -> None:
    """Copy the crops of one part, shrunk where the other class has smaller ones."""
    crops = {label: [row.crop for row in rows if row.label == label] for label in (REAL, FAKE)}
    sides = {
        label: np.array([read_crop(faces / crop).shape[0] for crop in own])
        for label, own in crops.items()
        if own
    }
    for label, own in sides.items():
        for place, face in enumerate(np.argsort(own, kind="stable")):
            source, target = faces / crops[label][face], out / crops[label][face]
            target.parent.mkdir(parents=True, exist_ok=True)
            share = (place + 0.5) / len(own)
            side = round(min(float(np.quantile(each, share)) for each in sides.values()))
            if side >= own[face]:
                shutil.copyfile(source, target)
                continue
            small = cv2.resize(read_crop(source), (side, side), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(target), small[:, :, ::-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:4]))
