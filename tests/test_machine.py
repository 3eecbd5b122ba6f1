"""What a container grants is read from its control group, of either version."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from dfsubmit import machine
from dfsubmit.errors import UsageError
from dfsubmit.machine import available_cpus, check_open_files, memory_limit


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for /sys/fs/cgroup, on a machine of 64 CPUs."""
    monkeypatch.setattr(machine, "CONTROL_GROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    return tmp_path


def write(group: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = group / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 64),
        ({"cpu.max": "max 100000"}, 64),
        ({"cpu.max": "400000 100000"}, 4),
        ({"cpu.max": "160000 100000"}, 2),
        ({"cpu.max": "10000 100000"}, 1),
        ({"cpu.max": "9900000 100000"}, 64),
        ({"cpu.max": "a word too many"}, 64),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "300000"}, 64),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "0"}, 64),
    ],
)
def test_cpus(group: Path, files: dict[str, str], cpus: int) -> None:
    write(group, files)
    assert available_cpus() == cpus


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"memory.max": "1048576"}, 2**20),
        ({"memory/memory.limit_in_bytes": "2097152"}, 2**21),
        ({"memory.max": "max"}, None),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ({}, None),
    ],
)
def test_memory(group: Path, files: dict[str, str], limit: int | None) -> None:
    whole = memory_limit()
    write(group, files)
    assert memory_limit() == (whole if limit is None else limit)


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = [64, 256]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, both: limits.__setitem__(0, both[0]))
    monkeypatch.setattr(os, "listdir", lambda folder: ["0", "1", "2"])
    check_open_files(4)
    assert limits == [64, 256]
    check_open_files(40)
    assert limits == [103, 256]
    with pytest.raises(UsageError, match="200 workers need 423 open files") as caught:
        check_open_files(200)
    assert "--workers 116" in caught.value.hint
    assert "ulimit -n 423" in caught.value.hint
    check_open_files(116)
