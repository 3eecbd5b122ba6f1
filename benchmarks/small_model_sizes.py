"""Faces of both classes made equally large, so that their size tells nothing.

    python benchmarks/small_model_sizes.py FACES OUT

FACES is a folder of ``dfsubmit extract``, OUT its copy, in which the crops of each part (learn,
validate, test) are shrunk: the k-th of n by size gets the smaller of the two sizes that the real
and the fake faces have at k/n. OpenForensics' real faces are smaller than its fakes (the size alone
tells them apart with an AUC of 0.89), those of the StyleGAN 2 set are larger (0.97); scaled to one
size, the smaller ones are softer, and a network learns that instead of anything of the forgery.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import cv2
import numpy as np

from dfsubmit.extraction.index import read_index
from dfsubmit.finetuning.data.dataset import read_crop
from dfsubmit.records import FAKE, REAL


def main(faces: Path, out: Path) -> None:
    """Copy the folder and shrink crops in the copy."""
    shutil.copytree(faces, out)
    rows, _ = read_index(out)
    for part in sorted({row.split for row in rows}):
        paths = {
            label: [out / row.crop for row in rows if (row.split, row.label) == (part, label)]
            for label in (REAL, FAKE)
        }
        sides = {
            label: np.array([read_crop(path).shape[0] for path in own])
            for label, own in paths.items()
        }
        if not all(len(own) for own in sides.values()):
            continue
        for label, own in paths.items():
            for place, face in enumerate(np.argsort(sides[label], kind="stable")):
                share = (place + 0.5) / len(own)
                side = round(min(float(np.quantile(each, share)) for each in sides.values()))
                if side < sides[label][face]:
                    small = cv2.resize(
                        read_crop(own[face]), (side, side), interpolation=cv2.INTER_AREA
                    )
                    cv2.imwrite(str(own[face]), small[:, :, ::-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
