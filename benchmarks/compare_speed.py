"""How long ``dfsubmit compare`` takes on many files: synthetic scores, one core.

    python benchmarks/compare_speed.py [FILES] [FRAMES]

Prints CPU and wall seconds of the command, all installed aggregators, 10,000 random draws.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from dfsubmit.output.scores import write_scores
from dfsubmit.records import FileResult, FrameRecord, Kind, Status


def main(files: int = 10_000, frames: int = 40) -> None:
    """Make the scores, time the command."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, files)
    results = []
    for number, label in enumerate(labels):
        centre = random.normal(0.45 + 0.15 * label, 0.2)
        p_fake = np.clip(random.normal(centre, 0.15, frames), 0, 1)
        records = [
            FrameRecord(index, index * 0.25, (10, 10, 90 + index, 90), 1.0, float(p))
            for index, p in enumerate(p_fake)
        ]
        results.append(
            FileResult(
                filename=f"{number}.mp4",
                status=Status.OK,
                kind=Kind.VIDEO,
                p_fake=0.5,
                frames=records,
            )
        )
    with tempfile.TemporaryDirectory() as folder:
        scores, labels_path = Path(folder, "synthetic.scores.jsonl"), Path(folder, "labels.csv")
        write_scores(scores, results)
        rows = (f"{number}.mp4,{label}\n" for number, label in enumerate(labels))
        labels_path.write_text("filename,label\n" + "".join(rows))
        command = [sys.executable, "-m", "dfsubmit", "compare", str(scores), "--labels"]
        one_core = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        subprocess.run([*command, str(labels_path)], env={**os.environ, **one_core}, check=True)
        wall = time.monotonic() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    print(f"{files} files x {frames} frames: {cpu:.1f} s of CPU, {wall:.1f} s in all")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
