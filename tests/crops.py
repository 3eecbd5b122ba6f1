"""Face crops that are quick to learn from, as ``dfsubmit extract`` leaves them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from dfsubmit.extraction.index import FaceRow, write_index
from dfsubmit.recipe import Recipe


def write_faces(folder: Path, people: int = 10) -> Path:
    """Each person once real and once fake: noise, and in the fakes reddish noise."""
    folder.mkdir(exist_ok=True)
    rows = []
    chance = np.random.default_rng(0)
    for person in range(people):
        for label in (0, 1):
            crop = chance.integers(0, 200, (40, 36, 3), np.uint8)
            crop[:, :, 2] += np.uint8(50 * label)
            name = f"{person}-{label}"
            cv2.imwrite(str(folder / f"{name}.png"), crop)
            rows.append(
                FaceRow(
                    f"{name}.png",
                    label,
                    "swap" if label else "original",
                    "synthetic",
                    "",
                    f"{name}.mp4",
                    f"p{person}",
                    (f"p{person}",),
                    "",
                    0,
                    0.0,
                    (0, 0, 36, 40),
                )
            )
    write_index(folder, rows, Recipe())
    return folder
