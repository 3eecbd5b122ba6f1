"""Keep a notebook's processes within their limits, and end them all.

In: the process that drives a notebook, and `Limits`. Out: the most memory that was used, and the
limit that was broken. A namespace ends its processes by itself. Without one this process adopts
those whose parents have gone (Linux), so that none is lost from sight.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dfsubmit.bundle.pins import CPUS, MEMORY, TIME_LIMIT

_WATCH_INTERVAL = 0.5
_ENDING_SECONDS = 10.0
# From <sys/prctl.h>.
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36


@dataclass(frozen=True)
class Limits:
    """Attributes: seconds; bytes of memory summed over all processes; CPUs."""

    seconds: float = TIME_LIMIT
    memory: int = MEMORY
    cpus: int = CPUS


@contextlib.contextmanager
def guardian() -> Iterator[set[int]]:
    """Adopt orphans, and keep this process's environment and memory from other processes.

    Yields the process numbers of the children that there are already. Every other child is taken
    for a notebook's: nothing else may be started meanwhile.
    """
    import psutil

    children = {child.pid for child in psutil.Process().children()}
    if not sys.platform.startswith("linux"):
        yield children
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    try:
        yield children
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


def watch(
    driver: subprocess.Popen[bytes],
    limits: Limits,
    others: set[int],
    in_namespace: bool,
    meanwhile: Callable[[], None],
) -> tuple[int, str]:
    """Wait for a notebook's end, and end what it started.

    Args:
        driver: the process that runs it.
        limits: of it.
        others: children of this process that are not the notebook's.
        in_namespace: whether the driver has put processes of its own between itself and it.
        meanwhile: called every half second, the last time when it has ended.

    Returns:
        The most bytes of memory seen, and "time", "memory" or "" for the limit that was broken.
    """
    deadline = time.monotonic() + limits.seconds
    peak = 0
    try:
        while driver.poll() is None:
            used = _memory(driver.pid, others, in_namespace)
            peak = max(peak, used)
            if time.monotonic() > deadline:
                return peak, "time"
            if used > limits.memory:
                return peak, "memory"
            with contextlib.suppress(subprocess.TimeoutExpired):
                driver.wait(_WATCH_INTERVAL)
            meanwhile()
        return peak, ""
    finally:
        _end(driver, others)


def _family(driver: int, others: set[int]) -> list[Any]:
    """The driver's descendants, and those that this process has adopted, with theirs."""
    import psutil

    return [
        process
        for child in psutil.Process().children()
        if child.pid not in others
        for process in ([] if child.pid == driver else [child]) + _descendants(child)
    ]


def _descendants(process: Any) -> list[Any]:
    import psutil

    with contextlib.suppress(psutil.Error):  # processes end while they are looked at
        return list(process.children(recursive=True))
    return []


def _memory(driver: int, others: set[int], in_namespace: bool) -> int:
    """Bytes that a notebook's processes use together, its driver left out."""
    import psutil

    family = _family(driver, others)
    if in_namespace:
        # The first two are the namespace's process 1 and the driver's second self; the server has
        # neither.
        family = sorted(family, key=_started)[2:]
    total = 0
    for process in family:
        with contextlib.suppress(psutil.Error):
            memory = process.memory_full_info()
            total += int(getattr(memory, "pss", 0) or memory.rss)
    return total


def _started(process: Any) -> float:
    import psutil

    with contextlib.suppress(psutil.Error):
        return float(process.create_time())
    return float("inf")


def _end(driver: subprocess.Popen[bytes], others: set[int]) -> None:
    """Kill until nothing is left: who is killed may have started another just before."""
    import psutil

    deadline = time.monotonic() + _ENDING_SECONDS
    while (family := _family(driver.pid, others)) and time.monotonic() < deadline:
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if driver.poll() is None:
            driver.kill()
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.wait(0.1)
    if driver.poll() is None:
        driver.kill()
    driver.wait()
    _reap(others)


def _reap(others: set[int]) -> None:
    """Clear away adopted processes that have ended."""
    import psutil

    for child in psutil.Process().children():
        if child.pid not in others:
            with contextlib.suppress(OSError):
                os.waitpid(child.pid, os.WNOHANG)
