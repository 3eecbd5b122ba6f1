"""A rehearsed notebook leaves nothing behind and sees nothing of this machine, or that is said."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rehearsals import WRITES, detail, edit_inference, run, status

from dfsubmit.bundle.rehearse import confinement
from dfsubmit.bundle.rehearse.report import FAIL, PASS, WARN
from dfsubmit.bundle.rehearse.watching import Limits

pytest.importorskip("nbclient", reason="needs the bundle extra")

KEY = "a-key-that-somebody-exported"

# A daemon as it is made: its parent is gone, and it has a session of its own.
DAEMON = """\
import os
import sys
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    os.execv(sys.executable, [sys.executable, "-c", {code!r}])
os.wait()
time.sleep({seconds})
"""
LOOKS_AROUND = """\
import os
import socket
from pathlib import Path

def readable(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""

seen = [path for path in Path("/proc").glob("[0-9]*/environ") if KEY in readable(path)]
assert not seen, seen
try:
    socket.socket(socket.AF_UNIX).connect(SOCKET)
except ConnectionRefusedError:
    pass
else:
    raise AssertionError("the socket is reachable")
assert os.listdir(OWN) == []
Path("data/face.jpg").write_bytes(b"changed")
assert Path("data/face.jpg").read_bytes() == b"changed"
"""


@pytest.fixture
def edited(task_bundle: Path, tmp_path: Path) -> Callable[[str], Path]:
    return lambda source: edit_inference(task_bundle, tmp_path / "bundle", source)


@pytest.fixture
def data(tmp_path: Path, samples: Path) -> Path:
    (tmp_path / "media").mkdir()
    shutil.copy(samples / "face.jpg", tmp_path / "media")
    return tmp_path / "media"


@pytest.fixture(params=["all that this system has", "nothing"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> frozenset[str]:
    """What can be confined: here, and on a system that allows nobody a namespace."""
    if request.param == "nothing":
        monkeypatch.setattr(confinement, "probe", lambda hidden: frozenset())
        return frozenset()
    return confinement.probe()


def processes() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_daemons_end_with_the_notebook(
    held: frozenset[str], edited: Callable[[str], Path], data: Path
) -> None:
    marker = f"time.sleep(613.{len(held)})"
    bundle = edited(DAEMON.format(code=f"import time; {marker}", seconds=1) + WRITES)
    report = run(bundle, data)
    assert report.passed, report.checks
    assert marker not in processes()
    kept = confinement.PROCESSES in held
    assert status(report, "confinement") == (PASS if held == confinement.EVERYTHING else WARN)
    assert ("looked for and ended" in detail(report, "confinement")) is not kept
    assert status(report, "network") == (PASS if confinement.NETWORK in held else WARN)


@pytest.mark.slow
def test_over_the_time_limit_everything_is_ended(
    held: frozenset[str], edited: Callable[[str], Path], data: Path
) -> None:
    marker = f"time.sleep(615.{len(held)})"
    code = DAEMON.format(code=f"import time; {marker}", seconds=600)
    started = time.monotonic()
    report = run(edited(code), data, limits=Limits(seconds=6))
    assert time.monotonic() - started < 120
    assert status(report, "time") == FAIL
    assert status(report, "notebook") == FAIL
    assert marker not in processes()


@pytest.mark.slow
def test_a_daemons_memory_counts_and_the_limit_ends_it(
    held: frozenset[str], edited: Callable[[str], Path], data: Path
) -> None:
    marker = f"time.sleep(614.{len(held)})"
    code = f"import time; much = bytearray(b'x') * 400_000_000; {marker}"
    report = run(
        edited(DAEMON.format(code=code, seconds=600)), data, limits=Limits(memory=300_000_000)
    )
    assert status(report, "memory") == FAIL
    assert report.figures["peak_memory"] > 300_000_000
    assert marker not in processes()


@pytest.mark.slow
def test_keys_sockets_and_media_of_this_machine_are_out_of_reach(
    edited: Callable[[str], Path], data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if confinement.probe() != confinement.EVERYTHING:
        pytest.skip("this system does not allow all of it")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    before = (data / "face.jpg").read_bytes()
    own = tmp_path / "user" / "dfsubmit"
    own.mkdir(parents=True)
    (own / "submissions.jsonl").touch()
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX) as listener,
        subprocess.Popen(sleeper, env={**os.environ, "AIF_API_KEY": KEY}) as another,
    ):
        listener.bind(f"{folder}/socket")
        listener.listen()
        # In two pieces: the notebook's own text must not be taken for the key.
        known = f"KEY, SOCKET, OWN = b'a-key-that-' + b'somebody-exported', {folder + '/socket'!r}"
        try:
            report = run(edited(f"{known}, {str(own)!r}\n{LOOKS_AROUND}{WRITES}"), data)
        finally:
            another.kill()
    # (The rules object to the absolute paths.)
    assert status(report, "notebook") == PASS, detail(report, "notebook")
    assert (data / "face.jpg").read_bytes() == before


@pytest.mark.slow
def test_the_network_is_closed_where_namespaces_are_not_allowed(
    edited: Callable[[str], Path], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confinement, "probe", lambda hidden: frozenset())
    child = "import socket; socket.create_connection((chr(49) + '.1.1.1', 80), timeout=20)"
    bundle = edited(
        WRITES + f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}],"
        " check=True, capture_output=True)"
    )
    report = run(bundle, data)
    assert "only Python's own sockets fail" in detail(report, "network")
    assert status(report, "network") == WARN
    assert "CalledProcessError" in detail(report, "notebook")
