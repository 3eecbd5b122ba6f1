"""How long a worker has worked on its task, and whether that is too long.

In: a clock that stops while this process is suspended, and the worker's CPU time. The limit of a
file is in CPU seconds, so that a busy machine does not cause time-outs. The wall clock ends a file
only if the worker uses hardly any CPU time: then it is stuck.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from enum import Enum
from types import TracebackType

TICK_SECONDS = 1.0
GAP_SECONDS = 5.0
LEAST_SHARE = 0.1


class RunningClock:
    """Monotonic seconds, without the time in which this process was suspended; a context manager.

    While suspended (Ctrl-Z, SIGSTOP, ``docker pause``), a process cannot observe its workers, which
    are probably suspended too. A thread ticks, and gaps between ticks do not count.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._last = now()
        self._lost = 0.0
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def __enter__(self) -> RunningClock:
        threading.Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()

    def __call__(self) -> float:
        """The seconds since an arbitrary moment."""
        with self._lock:
            moment = self._now()
            gap = moment - self._last
            self._last = moment
            if gap > GAP_SECONDS:
                self._lost += gap
            return moment - self._lost

    def _tick(self) -> None:
        while not self._ended.wait(TICK_SECONDS):
            self()


class Late(Enum):
    """Why a worker has timed out."""

    BUSY = "it used up its CPU time"
    STUCK = "it hardly ran"


class Stopwatch:
    """Times one worker.

    Args:
        now: a `RunningClock`.
        cpu: the CPU seconds that the worker has used; None if unknown.
    """

    def __init__(self, now: Callable[[], float], cpu: Callable[[], float | None]) -> None:
        self._now, self._cpu = now, cpu
        self._limit = self._patience = float("inf")
        self._began = 0.0
        self._paused: float | None = None
        self._cpu_before: float | None = None

    def start(self, seconds: float, patience: float | None = None) -> None:
        """Start timing a task.

        Args:
            seconds: the CPU time limit.
            patience: seconds after which a worker that hardly runs is stuck; None: `seconds`.
        """
        self._limit, self._patience = seconds, seconds if patience is None else patience
        self._began, self._cpu_before, self._paused = self._now(), self._cpu(), None

    def stop(self) -> None:
        """Stop timing."""
        self._limit = self._patience = float("inf")

    def pause(self) -> None:
        """Pause: the time until `go_on` does not count."""
        self._paused = self._now()

    def go_on(self) -> None:
        """End the pause."""
        if self._paused is not None:
            self._began += self._now() - self._paused
            self._paused = None

    def excuse(self, seconds: float) -> None:
        """Subtract this many seconds from the time so far."""
        self._began += seconds

    @property
    def late(self) -> Late | None:
        """Why it has timed out; None if it has not."""
        if self._paused is not None:
            return None
        passed = self._now() - self._began
        if passed <= self._patience:
            return None
        cpu = self._cpu()
        if cpu is None or self._cpu_before is None:
            return Late.STUCK if passed > self._limit else None
        used = cpu - self._cpu_before
        if used >= self._limit:
            return Late.BUSY
        return Late.STUCK if used < passed * LEAST_SHARE else None


def cpu_seconds(pid: int) -> float | None:
    """The CPU time of all threads of a process, in seconds; None if /proc does not have it."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
