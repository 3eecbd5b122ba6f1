"""A command → its wall seconds, CPU seconds and peak memory, of all its processes together."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

REPOSITORY = Path(__file__).resolve().parents[1]
SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        wall: seconds.
        cpu: user and system seconds of the command and of every process that it waited for.
        own_cpu: what of that the command's own process used, to the last sample. In
            `dfsubmit run` that is the model's, and the rest the workers'.
        peak: bytes: the largest sum of its processes' proportional set sizes (PSS), sampled.
        busy: share of the machine's CPU time that was in use over the middle half of the
            command's time, in [0, 1]; of everything that ran, so on a quiet machine.
    """

    wall: float
    cpu: float
    own_cpu: float
    peak: int
    busy: float


def measure(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Cost:
    """Run a command to its end; its Python finds what this one does, this checkout first.

    Args:
        command: its words.
        log: receives stdout and stderr.
        environment: added to this process's own.

    Raises:
        RuntimeError: it fails; names the log.
    """
    path = os.pathsep.join([str(REPOSITORY), *sys.path[1:]])
    variables = {**os.environ, "PYTHONPATH": path, **(environment or {})}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=variables)
        watch = _Watch(process.pid)
        watch.start()
        code = process.wait()
    wall = perf_counter() - start
    watch.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code:
        raise RuntimeError(f"{' '.join(command)}: exit code {code}: see {log}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, watch.own_cpu, watch.peak, watch.busy())


class _Watch(threading.Thread):
    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.peak = 0
        self.own_cpu = 0.0
        self.cpu_times: list[tuple[int, int]] = []
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, sum(map(_pss, _tree(self.root))))
            self.own_cpu = _cpu_seconds(self.root) or self.own_cpu
            self.cpu_times.append(_cpu_times())

    def stop(self) -> None:
        self._over.set()
        self.join()

    def busy(self) -> float:
        quarter = len(self.cpu_times) // 4
        if not quarter:
            return 0.0
        (idle, total), (idle_later, total_later) = (
            self.cpu_times[quarter],
            self.cpu_times[-1 - quarter],
        )
        return 1 - (idle_later - idle) / max(total_later - total, 1)


def _tree(root: int) -> list[int]:
    """A process and all its descendants."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                waiting += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def _cpu_times() -> tuple[int, int]:
    """The machine's idle CPU time and all of it since it started, in clock ticks."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    ticks = [int(field) for field in fields]
    return ticks[3] + ticks[4], sum(ticks)


def _cpu_seconds(pid: int) -> float:
    """User and system seconds of a process; 0 where it has ended."""
    try:
        # After the name, which may hold anything but ends with the last parenthesis.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:  # it has just ended
        pass
    return 0
