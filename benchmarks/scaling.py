"""What a run costs as clips get longer, frames larger, files more, workers more.

    python -m benchmarks.scaling [--out DIR] [--only length,size,files,workers] [--rounds 3]

The media are made from a public-domain photograph, the model is a tiny untrained one: what is
measured is decoding, detection and the machinery, which are what grows.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from PIL import Image

from benchmarks.measure import Cost, measure
from benchmarks.report import spread
from dfsubmit.drawing import new_figure, png
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


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        group: what grows, for the plot.
        size: how large it is.
        name: for people.
        media: a folder.
        options: of `dfsubmit run`.
    """

    group: str
    size: int
    name: str
    media: Path
    options: tuple[str, ...] = ()


def cases(names: set[str], folder: Path) -> Iterator[Case]:
    """All cases; the media are made on the way."""

    def media(name: str) -> Path:
        (folder / name).mkdir()
        return folder / name

    for seconds in LENGTHS if "length" in names else ():
        place = media(f"length{seconds}")
        make_clip(place / "clip.mp4", seconds, 360)
        yield Case("length of a clip (s)", seconds, f"one clip of {seconds} s, 360p", place)
    for height in HEIGHTS if "size" in names else ():
        place = media(f"size{height}")
        make_clip(place / "clip.mp4", 5, height)
        yield Case("height of a frame (pixels)", height, f"one clip of 5 s, {height}p", place)
    for count in COUNTS if "files" in names else ():
        place = media(f"files{count}")
        make_pictures(place, count)
        yield Case("number of pictures", count, f"{count} pictures of 200 x 200", place)
    if "workers" in names:
        place = media("workers")
        for number in range(4):
            make_clip(place / f"{number}.mp4", 5, 720)
        for workers in WORKERS:
            name = f"4 clips of 5 s, 720p, workers: {workers}"
            yield Case("number of workers", workers, name, place, ("--workers", str(workers)))


def plot(measured: list[tuple[Case, list[Cost]]], path: Path) -> None:
    """Wall time and peak memory against what grows, a column for each group."""
    drawn: dict[str, dict[int, tuple[list[float], list[float]]]] = {
        group: {} for group in dict.fromkeys(case.group for case, _ in measured)
    }
    for case, costs in measured:
        drawn[case.group][case.size] = (
            [cost.wall for cost in costs],
            [cost.peak / 2**20 for cost in costs],
        )
    path.write_bytes(draw_growth(drawn))


def draw_growth(groups: dict[str, dict[int, tuple[list[float], list[float]]]]) -> bytes:
    """A PNG of wall times in s and peak memories in MiB, by what grows and how large it is."""
    figure = new_figure("bench", 3.2 * len(groups), 5.4)
    figure.suptitle("cost of a run with a tiny model as one thing grows")
    axes = figure.subplots(2, len(groups), sharex="col", sharey="row", squeeze=False)
    for column, (group, sizes) in enumerate(groups.items()):
        for row in range(2):
            found = [sorted(values[row]) for values in sizes.values()]
            middle = [median(values) for values in found]
            ends = [
                [value - values[0] for value, values in zip(middle, found, strict=True)],
                [values[-1] - value for value, values in zip(middle, found, strict=True)],
            ]
            axes[row][column].errorbar(list(sizes), middle, yerr=ends, marker="o", capsize=3)
            axes[row][column].grid(alpha=0.3)
        axes[1][column].set_xscale("log")
        axes[1][column].set_xticks(list(sizes), [str(size) for size in sizes])
        axes[1][column].minorticks_off()
        axes[1][column].set_xlabel(group)
    for row, label in enumerate(("wall time (s)", "peak memory (MiB)")):
        axes[row][0].set_ylabel(label)
        axes[row][0].set_ylim(0, 1.1 * axes[row][0].get_ylim()[1])
    return png(figure)


def main() -> None:
    """Print a Markdown table, a line as soon as it is measured, and draw ``scaling.png``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("--out", type=Path, default=Path("scaling-results"))
    parser.add_argument("--only", default="length,size,files,workers")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    model = make_untrained_model(options.out / "model")
    print("| what | wall s | CPU s | peak MiB |\n|---|---|---|---|")
    measured = []
    for case in cases(set(options.only.split(",")), options.out):
        command = [sys.executable, "-m", "dfsubmit", "run", str(case.media), "--model", str(model)]
        command += ["--output", str(options.out / "s.csv"), "--no-resume", "--no-fallback"]
        command += ["--loader", "huggingface", "--per-file-timeout", "3600", *case.options]
        costs = [measure(command, options.out / "log.txt") for _ in range(options.rounds)]
        figures = [
            spread([cost.wall for cost in costs], 1),
            spread([cost.cpu for cost in costs], 1),
            spread([cost.peak / 2**20 for cost in costs], 0),
        ]
        print(f"| {case.name} | " + " | ".join(figures) + " |", flush=True)
        measured.append((case, costs))
    plot(measured, options.out / "scaling.png")


if __name__ == "__main__":
    main()
