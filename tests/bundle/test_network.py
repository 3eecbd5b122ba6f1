"""The network is closed in both ways, and loopback stays open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dfsubmit.bundle.rehearse.confinement import NETWORK, probe
from dfsubmit.bundle.rehearse.network import write_blocker

# Documentation addresses (RFC 5737): nothing answers there, and nothing is disturbed.
OUTSIDE = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=30)"
LOOKUP = "import socket; socket.getaddrinfo('example.org', 80)"
LOOPBACK = (
    "import socket; server = socket.create_server(('127.0.0.1', 0)); "
    "socket.create_connection(server.getsockname(), timeout=5); "
    "socket.getaddrinfo('localhost', 80)"
)


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("code", [OUTSIDE, LOOKUP])
def test_the_blocker_fails_what_goes_outside(tmp_path: Path, code: str) -> None:
    write_blocker(tmp_path)
    done = run(code, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "the network is closed in this rehearsal" in done.stderr


def test_the_blocker_reaches_grandchildren_and_leaves_loopback_open(tmp_path: Path) -> None:
    write_blocker(tmp_path)
    call = f"subprocess.run([sys.executable, '-c', {OUTSIDE!r}]).returncode"
    assert (
        run(f"import subprocess, sys; sys.exit({call})", PYTHONPATH=str(tmp_path)).returncode == 1
    )
    done = run(LOOPBACK, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_the_namespace_has_loopback_and_nothing_else() -> None:
    if NETWORK not in probe():
        pytest.skip("this system allows no network namespaces")
    enter = "from dfsubmit.bundle.rehearse.confinement import enter; enter(['network']); "
    done = run(enter + LOOPBACK)
    assert done.returncode == 0, done.stderr
    done = run(enter + OUTSIDE)
    assert done.returncode == 1
    assert "Network is unreachable" in done.stderr
