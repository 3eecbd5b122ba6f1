"""Graphs are made in child processes: their failures are told, and nothing half-made stays."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dfsubmit_openvino import children, store
from dfsubmit_openvino.children import run_job
from dfsubmit_openvino.convert import convert
from dfsubmit_openvino.loader import OpenVinoLoader
from dfsubmit_openvino.store import NoRoom, find_or_make

from dfsubmit.hooks import DfsubmitError, LoadRequest, ModelError
from dfsubmit.samples import make_untrained_model

if importlib.util.find_spec("openvino") is None:
    pytest.skip("openvino is not installed", allow_module_level=True)

HASH = "a" * 64

# A run in short: load, see faces, and say what was imported and computed.
_RUN = """
import json, sys
sys.path[:] = {path!r}
import numpy as np
from pathlib import Path
from dfsubmit.hooks import LoadRequest
from dfsubmit_openvino.loader import OpenVinoLoader
print("ready", flush=True)
sys.stdin.read()
request = LoadRequest(Path(sys.argv[1]), precision="int8", device="cpu", model_hash={hash!r})
model = OpenVinoLoader().load(request)
faces = np.random.default_rng(5).integers(0, 256, (6, 224, 224, 3), dtype=np.uint8)
model.see(faces)
heavy = [name for name in ("torch", "nncf") if name in sys.modules]
print(json.dumps([heavy, model.arithmetic, model.logits(faces).tolist()]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_untrained_model(tmp_path_factory.mktemp("models") / "vit")


def test_two_processes_make_the_same_graphs_at_once(folder: Path, tmp_path: Path) -> None:
    """And neither imports torch or NNCF itself."""
    pytest.importorskip("nncf")
    code = _RUN.format(path=sys.path, hash=HASH)
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for _ in range(2)
    ]
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        assert run.stdin is not None
        run.stdin.close()
        run.stdin = None
    (heavy, arithmetic, logits), other = (json.loads(run.communicate()[0]) for run in runs)
    assert [heavy, arithmetic, logits] == other
    assert heavy == []
    assert "6 calibration faces" in arithmetic
    if sys.platform == "linux":
        entries = sorted((tmp_path / "dfsubmit" / "openvino").iterdir())
        assert len(entries) == 2  # fp32 and int8, and no leavings
        assert all(store.is_intact(entry) for entry in entries)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.kill(os.getpid(), 9)", "killed, as the system does where memory is short"),
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("print('odd'); raise MemoryError('of 9 GB')", "MemoryError: of 9 GB"),
    ],
)
def test_a_child_that_fails_says_why(
    code: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_BOOT", code)
    with pytest.raises(ModelError, match=f"converting failed: .*{reason}") as caught:
        run_job("converting", {}, "do without")
    assert caught.value.hint == "do without"


def test_a_signal_ends_the_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    monkeypatch.setattr(children, "_BOOT", code)

    def stop(number: int, frame: object) -> None:
        if note.exists() and note.read_text():
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_job("converting", {}, "")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_a_child_ends_with_its_parent_and_cleans_up(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "dfsubmit" / "openvino"
    run = subprocess.Popen(
        [sys.executable, "-c", _RUN.format(path=sys.path, hash=HASH), str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    )
    deadline = time.monotonic() + 120
    while not list(cache.glob("*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    run.kill()
    run.communicate()
    while list(cache.glob("*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(cache.glob("*")) == []


def test_where_no_cache_can_be_written_a_temporary_folder_serves(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(store, "cache_folder", lambda: tmp_path / "file" / "cache")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stored = convert(folder, HASH, 224, 224)
    assert stored.folder.parent.parent == tmp_path
    assert len(stored.read().get_parameters()) == 1
    del stored
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_tried_once_each_and_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(store, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tried: list[Path] = []

    def make(target: Path) -> None:
        tried.append(target.parent.parent)
        raise NoRoom("No space left on device")

    with pytest.raises(DfsubmitError, match="No space left on device") as caught:
        find_or_make(HASH, "fp32", make)
    assert tried == [tmp_path / "cache", tmp_path]
    assert "TMPDIR" in caught.value.hint
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_graph_that_is_cut_short_is_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A limit of the file size stands for a full disk; the child reports it, and no more."""
    monkeypatch.setattr(store, "cache_folder", lambda: tmp_path / "cache")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000));"
    monkeypatch.setattr(children, "_BOOT", limit + children._BOOT)
    with pytest.raises(DfsubmitError, match="can be written neither"):
        OpenVinoLoader().load(LoadRequest(folder, device="cpu", model_hash=HASH))
    assert list((tmp_path / "cache").iterdir()) == []
