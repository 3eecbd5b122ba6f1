"""A cluster that requires a token (``RAY_AUTH_MODE=token``): a run needs the same one."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import start

ray = pytest.importorskip("ray", reason="the cluster needs Ray: pip install 'ray>=2.50,<3'")

pytestmark = pytest.mark.slow

_HIDDEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS")


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """The address and the token of a cluster of one machine."""
    if not hasattr(ray.exceptions, "AuthenticationError"):
        pytest.skip("this Ray has no tokens")
    for name in _HIDDEN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # No token of the user's is found, and none is written into the user's home.
    folder = tempfile.mkdtemp(prefix="df-ray-")  # short: Ray's sockets are in it
    monkeypatch.setenv("HOME", folder)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    token = secrets.token_hex(32)
    process = subprocess.Popen(
        [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block",
            f"--port={port}", "--num-cpus=1", "--include-dashboard=false",
            "--object-store-memory=80000000", f"--temp-dir={folder}",
        ],
        env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        end = time.monotonic() + 120
        while not _listens(port):
            assert process.poll() is None, "ray start failed"
            assert time.monotonic() < end
            time.sleep(0.2)
        yield f"127.0.0.1:{port}", token
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_run_needs_the_clusters_token(
    head: tuple[str, str],
    tiny_model: Path,
    samples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, token = head
    wrong = secrets.token_hex(32)
    (tmp_path / "data").mkdir()
    shutil.copy(samples / "face.jpg", tmp_path / "data")
    processes = []
    for name, given in (("right", token), ("none", ""), ("wrong", wrong)):
        with monkeypatch.context() as patch:
            if given:
                patch.setenv("RAY_AUTH_MODE", "token")
                patch.setenv("RAY_AUTH_TOKEN", given)
            processes.append(
                start(
                    "run", tmp_path / "data", "--model", tiny_model, "--output",
                    tmp_path / f"{name}.csv", "--workers", 1, "--no-fallback", "--no-progress",
                    "--executor", f"ray:address={address}",
                )
            )  # fmt: skip
    for process, code in zip(processes, (0, 1, 1), strict=True):
        output, _ = process.communicate(timeout=300)
        assert process.returncode == code, output
        assert "Traceback" not in output
        assert token not in output
        assert wrong not in output
        if code:
            assert f"the Ray cluster at {address} requires a token" in output
            assert "RAY_AUTH_MODE=token" in output
    meta = json.loads((tmp_path / "right.meta.json").read_text())
    assert [machine["files"] for machine in meta["machines"]] == [1]
    assert token not in (tmp_path / "right.meta.json").read_text()
    assert not (tmp_path / "wrong.csv").exists()
