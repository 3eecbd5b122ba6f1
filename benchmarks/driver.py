"""The driver alone, at up to a million files: listing, journal, resume, CSV, scores and metadata.

python -m benchmarks.driver [--files 10000 100000 1000000] [--frames 40] [--rate N] [--ray]
    [--work DIR]

A stub executor gives every file its frames at once (or at N files a minute), so that no media is
decoded and no model runs. The files are empty. Each size is run in two processes: the first stops
half-way, the second resumes and finishes. With --ray, the results come from two stub actors of the
Ray plugin on this machine, in shares of 32 files; CPU times are those of the driver alone.
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

STUB = """
import contextlib
import os
import random
import sys
import time
from pathlib import Path

from dfsubmit import hooks
from dfsubmit.recipe import Recipe
from dfsubmit.records import FrameRecord, Kind

draw = random.Random(0).random


def result(name, count):
    frames = [
        FrameRecord(n, n / 8, (412, 96, 731, 415), 1.2345678, draw()) for n in range(count)
    ]
    return hooks.FileResult(
        filename=name, status=hooks.Status.OK, kind=Kind.VIDEO, frames=frames,
        frames_asked=count, frames_decoded=count, frames_with_face=count,
        seconds={"decode": 1.25, "detect": 2.5, "classify": 0.125},
    )


class Stub(contextlib.AbstractContextManager):
    # Gives every file its frames, `rate` files a minute (0: at once), until `most` are done.

    disk_answers = True

    def __init__(self, frames, most, rate):
        self.frames, self.most, self.rate, self.waiting = frames, most, rate, hooks.Waiting()

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

    def results(self, files, keep, should_stop):
        for file in files:
            yield file, result(file.name, self.frames)

    def score(self, files, keep, should_stop):
        began = time.monotonic()
        for number, item in enumerate(self.results(files, keep, should_stop)):
            if number == self.most or should_stop():
                return
            if self.rate:
                time.sleep(max(0.0, began + number * 60 / self.rate - time.monotonic()))
            yield item


class Actor:
    def __init__(self, frames):
        self.frames = frames

    def score(self, handed):
        return [(file, result(file.name, self.frames), None) for file, *_ in handed]


class RayStub(Stub):
    def results(self, files, keep, should_stop):
        # Ray would write a token into the user's home.
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        import ray
        from dfsubmit_ray.cluster import Node
        from dfsubmit_ray.shares import Member, work_off

        ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        actor = ray.remote(Actor)
        node = Node("", "this machine", 2, 0)
        members = [Member(node, actor.remote(self.frames), 32) for _ in range(2)]
        hand = lambda file: (file, keep(file), None)
        done = work_off(members, files, "score", hand, should_stop, print, set())
        for file, (_, found, _) in done:
            yield file, found


def stub(frames=40, most=-1, rate=0, ray=0):
    return (RayStub if ray else Stub)(frames, most, rate)


@hooks.hookimpl
def register_executors(register):
    register("stub", stub)
"""

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
    parser.add_argument("--rate", type=int, default=0, help="files a minute; 0: no limit")
    parser.add_argument("--ray", action="store_true", help="results come from Ray actors")
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    print(
        "| files | run | wall s | CPU s | CPU µs a file | files a minute | peak MiB | files MiB |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for files in options.files:
        with tempfile.TemporaryDirectory(dir=options.work) as scratch:
            _measure(Path(scratch), files, f"frames={options.frames}", options.rate, options.ray)


def _measure(folder: Path, files: int, frames: str, rate: int, ray: bool) -> None:
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
            "executor": f"stub:{frames},most={most},rate={rate},ray={int(ray)}",
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
