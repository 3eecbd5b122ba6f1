"""The machine that this runs on: processors, memory, and the limits that a container sets."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

from dfsubmit.errors import UsageError

CONTROL_GROUP = Path("/sys/fs/cgroup")
"""Where Linux shows a container the limits of its control group (version 2, or 1)."""

_FILES_A_WORKER = 2  # its socket, and the pipe by which it sees that this process has gone
_FILES_OF_A_RUN = 20  # outputs, weights, what starting a process takes for a moment


def available_cpus() -> int:
    """CPUs that this process may use: its affinity, and the control group's quota where smaller."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    limit = _group_numbers("cpu.max") or [
        *_group_numbers("cpu/cpu.cfs_quota_us"),
        *_group_numbers("cpu/cpu.cfs_period_us"),
    ]
    if len(limit) == 2 and min(limit) > 0:  # version 1 says -1 where there is none
        cpus = min(cpus, max(1, round(limit[0] / limit[1])))
    return cpus


def check_open_files(workers: int) -> None:
    """Make sure that this process may open enough files for this number of worker processes; its
    own limit is raised if the system allows it.

    Raises:
        UsageError: it may not; says how many workers would do.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError):
        open_now = len(os.listdir("/dev/fd"))
        needed = open_now + _FILES_A_WORKER * workers + _FILES_OF_A_RUN
        if resource.RLIM_INFINITY not in (soft, hard) and needed > soft:
            if needed > hard:
                fit = max(1, (hard - open_now - _FILES_OF_A_RUN) // _FILES_A_WORKER)
                raise UsageError(
                    f"{workers} workers need {needed} open files, and this process may open {hard}",
                    f"take --workers {fit}, or raise the limit: ulimit -n {needed}",
                )
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def memory_limit() -> int | None:
    """Bytes of memory that this process may use: the machine's, or its control group's limit."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    limit = _group_numbers("memory.max") or _group_numbers("memory/memory.limit_in_bytes")
    return min([total, *limit])


def _group_numbers(name: str) -> list[int]:
    """The numbers in a file of the control group; none where it is not there or says "max"."""
    try:
        return [int(word) for word in (CONTROL_GROUP / name).read_text().split()]
    except (OSError, ValueError):
        return []


def cpu_flags() -> frozenset[str]:
    """The processor's features as Linux names them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())
