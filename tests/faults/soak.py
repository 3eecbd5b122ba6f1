"""``python tests/faults/soak.py``: many small files in one run, and the memory that it takes.

A real run with a (tiny) network, in this process; the resident memory of the parent and of its
workers after the first files is compared with that at the end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from setting import RECIPE

from dfsubmit import RunOptions, run
from dfsubmit.samples import make_samples, make_untrained_model

MIB = 2**20
ALLOWED_GROWTH = 0.10


class Memory(threading.Thread):
    """Notes resident MiB of this process and the mean of its workers as files are finished."""

    def __init__(self, journal: Path) -> None:
        super().__init__(daemon=True)
        self.journal = journal
        self.noted: list[tuple[int, float, float]] = []
        self.over = threading.Event()

    def run(self) -> None:
        me = psutil.Process()
        while not self.over.wait(0.5):
            files = self.journal.read_bytes().count(b'"result"') if self.journal.exists() else 0
            sizes = []
            for worker in me.children():
                try:
                    sizes.append(worker.memory_info().rss / MIB)
                except psutil.NoSuchProcess:
                    continue
            if sizes:
                self.noted.append((files, me.memory_info().rss / MIB, float(np.mean(sizes))))

    def at(self, files: int) -> tuple[float, float]:
        """Parent and mean worker, the first time that so many files were done."""
        return next((row[1], row[2]) for row in self.noted if row[0] >= files)


def write_files(folder: Path, count: int) -> None:
    """`count` small files, all different: nine in ten pictures, one in ten a short video."""
    make_samples(folder / "samples")
    picture = Image.open(folder / "samples" / "face.jpg")
    video = (folder / "samples" / "twelve_frames.mp4").read_bytes()
    media = folder / "media"
    media.mkdir()
    for number in range(count):
        if number % 10 == 0:
            (media / f"{number:05}.mp4").write_bytes(video)
        else:
            size = 160 + number % 97
            picture.resize((size, size)).save(media / f"{number:05}.jpg")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--early", type=int, default=200, help="compare with after so many files")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dfsubmit-soak-") as name:
        work = Path(name)
        write_files(work, arguments.files)
        memory = Memory(work / "s.journal.jsonl")
        memory.start()
        summary = run(
            RunOptions(
                model=make_untrained_model(work / "model"),
                data=work / "media",
                output=work / "s.csv",
                fallback=None,
                recipe=RECIPE,
                no_face="whole-frame",
                workers=arguments.workers,
                progress=False,
            )
        )
        memory.over.set()
        memory.join()
    early, (_, *late) = memory.at(arguments.early), memory.noted[-1]
    print(f"{summary.tally.files} files, {summary.failed} failed, {summary.meta['seconds']}")
    good = True
    for who, before, after in zip(("parent", "worker (mean)"), early, late, strict=True):
        growth = after / before - 1
        good &= growth <= ALLOWED_GROWTH
        print(f"{who}: {before:.0f} MiB after {arguments.early}, {after:.0f} at end: {growth:+.1%}")
    return 0 if good and not summary.failed else 1


if __name__ == "__main__":
    sys.exit(main())
