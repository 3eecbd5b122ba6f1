"""What a run costs as clips get longer, frames larger, files more, workers more.

    python -m benchmarks.scaling [--out DIR] [--only length,size,files,workers]

The media are made from a public-domain photograph, the model is a tiny untrained one: what is
measured is decoding, detection and the machinery, which are what grows. Every line is one run.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.measure import measure
from dfsubmit.records import Pixels
from dfsubmit.samples import make_untrained_model

FPS = 24
LENGTHS = (5, 10, 60, 300)
HEIGHTS = (360, 720, 1080, 2160)
COUNTS = (10, 100, 1000)
WORKERS = (1, 2, 4)


def photograph() -> Pixels:
    """RGB uint8 (512, 512, 3), a face in it."""
    from skimage import data

    return np.asarray(data.astronaut(), dtype=np.uint8)


def make_clip(path: Path, seconds: int, height: int) -> None:
    """A 16:9 clip that pans over the photograph."""
    size = (height * 16 // 9, height)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, size)
    picture = cv2.cvtColor(photograph(), cv2.COLOR_RGB2BGR)
    frames = seconds * FPS
    for number in range(frames):
        left = number * 60 // frames
        view = picture[20:245, left : left + 400]
        writer.write(cv2.resize(view, size, interpolation=cv2.INTER_LINEAR))
    writer.release()


def make_pictures(folder: Path, count: int) -> None:
    """Small pictures of the face, each cut a little differently."""
    picture = photograph()
    for number in range(count):
        left, top = number % 40, number // 40 % 40
        part = picture[top : top + 200, 120 + left : 320 + left]
        Image.fromarray(part).save(folder / f"{number:04}.jpg", quality=90)


def cases(names: set[str], folder: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """What each case is called, its media, and its options; the media are made on the way."""
    for seconds in LENGTHS if "length" in names else ():
        media = folder / f"length{seconds}"
        media.mkdir()
        make_clip(media / "clip.mp4", seconds, 360)
        yield f"one clip of {seconds} s, 360p", media, []
    for height in HEIGHTS if "size" in names else ():
        media = folder / f"size{height}"
        media.mkdir()
        make_clip(media / "clip.mp4", 5, height)
        yield f"one clip of 5 s, {height}p", media, []
    for count in COUNTS if "files" in names else ():
        media = folder / f"files{count}"
        media.mkdir()
        make_pictures(media, count)
        yield f"{count} pictures of 200 x 200", media, []
    if "workers" in names:
        media = folder / "workers"
        media.mkdir()
        for number in range(4):
            make_clip(media / f"{number}.mp4", 5, 720)
        for workers in WORKERS:
            yield f"4 clips of 5 s, 720p, {workers} workers", media, ["--workers", str(workers)]


def main() -> None:
    """Print a Markdown table, a line as soon as it is measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("--out", type=Path, default=Path("scaling-results"))
    parser.add_argument("--only", default="length,size,files,workers")
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    model = make_untrained_model(options.out / "model")
    print("| what | wall s | CPU s | peak MiB |\n|---|---|---|---|")
    for name, media, extra in cases(set(options.only.split(",")), options.out):
        command = [sys.executable, "-m", "dfsubmit", "run", str(media), "--model", str(model)]
        command += ["--output", str(options.out / "s.csv"), "--no-resume", "--no-fallback"]
        command += ["--loader", "huggingface", "--per-file-timeout", "3600", *extra]
        cost = measure(command, options.out / "log.txt")
        print(
            f"| {name} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.peak / 2**20:.0f} |", flush=True
        )


if __name__ == "__main__":
    main()
