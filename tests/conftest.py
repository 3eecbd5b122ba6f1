"""What many tests need: sample media, a tiny model, the shared research data where it is there."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeModel
from filelock import FileLock
from hypothesis import HealthCheck, settings

from dfsubmit.records import FileResult, FrameRecord, FrameScores, Kind, Status
from dfsubmit.samples import make_samples, make_untrained_model

# A slow machine is no failure; files that a fixture makes are overwritten by each example.
settings.register_profile(
    "dfsubmit",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("dfsubmit")

REPOSITORY = Path(__file__).resolve().parents[1]

# Before torch is imported: tests and their processes share the cores, and threads that wait for a
# core spin on it. Sums come out the same on one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Output as into a pipe, whatever the tests run in; pytest-xdist sets COLUMNS for its processes.
for _name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
    os.environ.pop(_name, None)


MakeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """``make_once(name, make)``: the path that ``make(path)`` writes, by the first that asks.

    pytest-xdist's processes share it. Read it; copy what you change.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def once(name: str, make: Callable[[Path], object]) -> Path:
        path = root / "made-once" / name
        path.parent.mkdir(exist_ok=True)
        with FileLock(path.with_name(f"{name}.lock")):
            if not path.exists():
                unfinished = root / "unfinished" / name
                unfinished.parent.mkdir(exist_ok=True)
                make(unfinished)
                unfinished.rename(path)
        return path

    return once


@pytest.fixture(scope="session", autouse=True)
def _caches_of_their_own(make_once: MakeOnce) -> Iterator[None]:
    """Unpacked zips and converted models stay out of the user's cache, in subprocesses too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(make_once("user-cache", Path.mkdir)))
        yield


@pytest.fixture(scope="session")
def samples(make_once: MakeOnce) -> Path:
    """The folder that ``dfsubmit samples`` makes. Read it; copy what you change."""
    pytest.importorskip("skimage", reason="scikit-image brings the sample photograph")
    return make_once("samples", make_samples)


@pytest.fixture(scope="session")
def tiny_model(make_once: MakeOnce) -> Path:
    """A ViT folder: seeded random weights, classes Real 0 and Fake 1, the default recipe."""
    return make_once("untrained", make_untrained_model)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The research data that lie beside the repository on some machines and never in it."""
    folder = Path(os.environ.get("DFSUBMIT_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data" / "media").is_dir():
        pytest.skip(f"no research data at {folder} (set DFSUBMIT_SHARED)")
    return folder


@pytest.fixture
def fake_model() -> type[FakeModel]:
    """The class: a test makes the model that it wants."""
    return FakeModel


@pytest.fixture(scope="session")
def make_scores() -> Callable[..., FrameScores]:
    """``make_scores(p, p, …)``: frame scores with boxes and times that do not matter."""

    def make(*p_fake: float) -> FrameScores:
        n = len(p_fake)
        boxes = np.tile(np.array([[10, 20, 110, 120]], np.int64), (n, 1))
        times = np.arange(n, dtype=np.float64)
        return FrameScores(np.array(p_fake, np.float64), times, boxes, np.ones(n))

    return make


@pytest.fixture(scope="session")
def make_result() -> Callable[..., FileResult]:
    """``make_result("a.mp4", 0.2, 0.4)``: a scored file, its p_fake the mean of its frames."""

    def make(filename: str, *p_fake: float, **changes: Any) -> FileResult:
        frames = [
            FrameRecord(3 * row, row / 8, (1, 2, 30, 40), 1.5, p) for row, p in enumerate(p_fake)
        ]
        value = sum(p_fake) / len(p_fake) if p_fake else None
        result = FileResult(
            filename=filename,
            status=Status.OK if p_fake else Status.NO_FACE,
            label=int(value is not None and value > 0.5),
            p_fake=value,
            kind=Kind.VIDEO,
            frames_asked=40,
            frames_decoded=len(p_fake),
            frames_with_face=len(p_fake),
            frames=frames,
            seconds={"decode": 0.5, "detect": 1.25, "classify": 0.125},
        )
        return dataclasses.replace(result, **changes)

    return make


@pytest.fixture
def model_folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may spoil."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


@pytest.fixture
def edit_json() -> Callable[..., None]:
    """``edit_json(path, key=value)``: set keys of a JSON object; None removes one."""

    def edit(path: Path, **changes: Any) -> None:
        data = {**json.loads(path.read_text()), **changes}
        path.write_text(json.dumps({key: item for key, item in data.items() if item is not None}))

    return edit
