"""The organiser's notebook in our words: what every participant starts from.

A pool of cores − 1 processes turns files into faces: 30 frames, each reached by seeking, a detector
built for each, a square of 1.3 × the box, resized to 224 bicubic. The parent gives the model all
faces of one file at once, with the default processor; on a CPU here, on CUDA in the original.

    python -m benchmarks.organiser MODEL FOLDER OUT.json
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.naive import Judge, frames_of, largest_face

FRAMES = 30


def square(frame: Any, box: tuple[int, int, int, int]) -> Any:
    """1.3 × the longer side about the box's centre; moved at the left and the top border, shrunk
    at the right and the bottom one; 224 × 224."""
    left, top, right, bottom = box
    side = int(max(right - left, bottom - top) * 1.3)
    x = max((left + right) // 2 - side // 2, 0)
    y = max((top + bottom) // 2 - side // 2, 0)
    side = min(side, frame.shape[1] - x, frame.shape[0] - y)
    picture = Image.fromarray(np.ascontiguousarray(frame[y : y + side, x : x + side]))
    return np.asarray(picture.resize((224, 224), Image.Resampling.BICUBIC))


def faces_of(path: Path) -> list[Any]:
    """The faces of one file."""
    found = []
    for frame in frames_of(path, FRAMES):
        box = largest_face(frame)
        if box is not None:
            found.append(square(frame, box))
    return found


def main(model: Path, folder: Path, out: Path) -> None:
    """Score a folder."""
    judge = Judge(model)
    paths = sorted(folder.iterdir())
    results: dict[str, Any] = {}
    # Processes of its own kind: one that is forked after torch has started threads may hang.
    context = multiprocessing.get_context("spawn")
    workers = max((os.cpu_count() or 2) - 1, 1)
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for path, crops in zip(paths, pool.map(faces_of, paths), strict=True):
            results[path.name] = {"p_fake": judge.p_fake(crops) if crops else None, "boxes": []}
    out.write_text(json.dumps(results))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
