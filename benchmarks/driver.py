"""The driver alone, at up to a million files: listing, journal, resume, CSV, scores and metadata.

python -m benchmarks.driver [--files 10000 100000 1000000] [--frames 40] [--work DIR]

A stub executor gives every file its frames at once, so that no media is decoded and no model runs.
The files are empty. Each size is run in two processes: the first stops half-way, the second resumes
and finishes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import REPOSITORY

STUB = '''
import contextlib
import random
from pathlib import Path

from dfsubmit import hooks
from dfsubmit.recipe import Recipe
from dfsubmit.records import FrameRecord, Kind


class Stub(contextlib.AbstractContextManager):
    """Gives `frames` faces of every file."""

    disk_answers = True

    def __init__(self, frames, most):
        self.frames, self.most, self.waiting = frames, most, hooks.Waiting()

    def scorer(self, job):
        self.job = job
        return self

    def __exit__(self, *error):
        pass

    def load(self):
        return hooks.ModelFacts(
            "stub", Path(self.job.options.model), "0" * 64, False, True, {0: "Real", 1: "Fake"}, 1,
            "stub", "stub.py", Recipe(), 1, "none", "exact",
        )

    prepare = lambda self, files: self.load()
    progress = lambda self: hooks.InHand()
    report = lambda self: {}

    def score(self, files, keep, should_stop):
        draw = random.Random(0).random
        for number, file in enumerate(files):
            if number == self.most or should_stop():
                return
            frames = [
                FrameRecord(n, n / 8, (412, 96, 731, 415), 1.2345678, draw())
                for n in range(self.frames)
            ]
            yield file, hooks.FileResult(
                filename=file.name, status=hooks.Status.OK, kind=Kind.VIDEO, frames=frames,
                frames_asked=self.frames, frames_decoded=self.frames,
                frames_with_face=self.frames,
                seconds={"decode": 1.25, "detect": 2.5, "classify": 0.125},
            )


def stub(frames=40, most=-1):
    return Stub(frames, most)


@hooks.hookimpl
def register_executors(register):
    register("stub", stub)
'''

# In a process of its own: its peak is its own.
CHILD = """
import json, resource, sys
from dfsubmit import RunOptions, run

options = json.loads(sys.argv[1])
summary = run(RunOptions(**options, plugins_dir=(sys.argv[2],), progress=False))
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "files": summary.tally.files, "resumed": summary.meta["resumed"],
    "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024,
}))
"""


def main() -> None:
    """Print a table, a row a size and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.driver")
    parser.add_argument("--files", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    print(
        "| files | run | wall s | CPU s | CPU µs a file | files a minute | peak MiB | files MiB |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for files in options.files:
        with tempfile.TemporaryDirectory(dir=options.work) as scratch:
            _measure(Path(scratch), files, options.frames)


def _measure(folder: Path, files: int, frames: int) -> None:
    (folder / "plugins").mkdir()
    (folder / "plugins" / "stub.py").write_text(STUB)
    (folder / "data").mkdir()
    for number in range(files):
        os.close(os.open(folder / "data" / f"clip{number:08}.mp4", os.O_CREAT | os.O_WRONLY))
    for name, most in (("first half", files // 2), ("resumed", -1)):
        asked = {
            "model": str(folder),
            "data": str(folder / "data"),
            "output": str(folder / "s.csv"),
            "executor": f"stub:frames={frames},most={most}",
        }
        command = [sys.executable, "-c", CHILD, json.dumps(asked), str(folder / "plugins")]
        start = time.perf_counter()
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path[1:]])},
        )
        wall = time.perf_counter() - start
        found = json.loads(done.stdout)
        written = sum(path.stat().st_size for path in folder.glob("s.*"))
        scored = files // 2
        print(
            f"| {found['files']:,} | {name} ({found['resumed']:,} taken over) | {wall:.1f} | "
            f"{found['cpu']:.1f} | {1e6 * found['cpu'] / files:.0f} | {60 * scored / wall:,.0f} | "
            f"{found['peak'] / 2**20:.0f} | {written / 2**20:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
