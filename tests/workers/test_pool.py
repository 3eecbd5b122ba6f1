"""The pool: every file comes back once, whatever happens to its worker."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from poison import poisoned

from dfsubmit.errors import DfsubmitError
from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.machine import available_cpus
from dfsubmit.media.listing import list_media
from dfsubmit.recipe import Recipe
from dfsubmit.records import Face, FileScan, MediaFile, Status
from dfsubmit.workers.events import FaceEvent, FileEvent, RetryEvent, Visit, WaitEvent
from dfsubmit.workers.pool import WorkerPool

pytestmark = pytest.mark.slow

SETTINGS = ScanSettings(Recipe(frames=3), Preprocessor(224, 224))


@pytest.fixture
def files(samples: Path) -> list[MediaFile]:
    return list_media(samples)


def collect(pool: WorkerPool, files: list[MediaFile]) -> dict[str, tuple[FileScan, list[Face]]]:
    """Everything that comes, by file; a file that comes twice fails."""
    faces: dict[str, list[Face]] = {file.name: [] for file in files}
    done: dict[str, tuple[FileScan, list[Face]]] = {}
    for event in pool.events(files):
        if isinstance(event, FaceEvent):
            faces[event.file.name].append(event.face)
        elif isinstance(event, RetryEvent):
            faces[event.file.name].clear()
        elif isinstance(event, FileEvent):
            assert event.file.name not in done
            done[event.file.name] = (event.scan, faces[event.file.name])
    return done


def test_every_file_comes_back_once_with_its_faces(files: list[MediaFile]) -> None:
    with WorkerPool(SETTINGS, workers=2) as pool:
        done = collect(pool, files)
    assert set(done) == {file.name for file in files}
    assert done["pan.mp4"][0].status is Status.OK
    assert len(done["pan.mp4"][1]) == 3
    assert done["broken.mp4"][0].status is Status.UNREADABLE


def test_one_worker_and_three_find_the_same(files: list[MediaFile]) -> None:
    boxes = []
    for workers in (1, 3):
        with WorkerPool(SETTINGS, workers) as pool:
            done = collect(pool, files)
        boxes.append({name: [face.box for face in faces] for name, (_, faces) in done.items()})
    assert boxes[0] == boxes[1]


def test_a_pool_takes_more_files_with_the_same_workers(files: list[MediaFile]) -> None:
    """More workers than files the first time: one of them is not ready when that ends."""
    with WorkerPool(SETTINGS, workers=2) as pool:
        first = collect(pool, files[:1])
        pids = pool.pids()
        both = collect(pool, files)
        assert pool.pids() == pids
    assert set(first) == {files[0].name}
    assert set(both) == {file.name for file in files}


def test_workers_started_before_the_settings_are_known(files: list[MediaFile]) -> None:
    """They import their libraries while the model is still loading, and wait for their orders."""
    with WorkerPool(None, workers=2) as pool:
        pool.start()
        early = set(pool.pids())
        assert len(early) == 2
        pool.settings = SETTINGS
        done = collect(pool, files)
        assert set(pool.pids()) == early  # the same processes did the work
    with WorkerPool(SETTINGS, workers=2) as pool:
        expected = collect(pool, files)
    assert {name: scan.status for name, (scan, _) in done.items()} == {
        name: scan.status for name, (scan, _) in expected.items()
    }


def test_a_crashing_worker_costs_its_file_and_is_replaced(files: list[MediaFile]) -> None:
    bad = poisoned(files[0], "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with WorkerPool(SETTINGS, workers=1) as pool:
        done = collect(pool, [bad, *files[:3]])
    scan, faces = done["poisoned.mp4"]
    assert scan.status is Status.CRASHED
    assert "SIGSEGV" in scan.error
    assert faces == []
    assert {file.name for file in files[:3]} < set(done)


def test_a_killed_worker_costs_nothing_but_a_second_try(files: list[MediaFile]) -> None:
    with WorkerPool(SETTINGS, workers=2) as pool:
        undisturbed = collect(pool, files)
    with WorkerPool(SETTINGS, workers=2) as pool:
        retried = []
        killed = False
        done: dict[str, FileScan] = {}
        for event in pool.events(files):
            if isinstance(event, FaceEvent) and not killed:
                killed = True
                for number in pool.pids():
                    os.kill(number, signal.SIGKILL)
            elif isinstance(event, RetryEvent):
                retried.append(event.file.name)
            elif isinstance(event, FileEvent):
                done[event.file.name] = event.scan
    assert retried
    assert {name: scan.status for name, scan in done.items()} == {
        name: scan.status for name, (scan, _) in undisturbed.items()
    }


def test_a_file_whose_worker_is_killed_twice_has_crashed(files: list[MediaFile]) -> None:
    bad = poisoned(files[0], "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with WorkerPool(SETTINGS, workers=2) as pool:
        done = collect(pool, [bad, files[1]])
    assert done["poisoned.mp4"][0].status is Status.CRASHED
    assert "SIGKILL" in done["poisoned.mp4"][0].error


def test_a_slow_consumer_is_not_the_files_fault(files: list[MediaFile]) -> None:
    (video,) = [file for file in files if file.name == "pan.mp4"]
    settings = ScanSettings(Recipe(frames=8), None)
    with WorkerPool(settings, workers=1, per_file_timeout=60) as pool:
        faces = 0
        for event in pool.events([video]):
            if isinstance(event, FaceEvent):
                faces += 1
                if faces == 1:
                    # The worker may wait for three seconds; its consumer takes four.
                    for member in pool._workers:
                        member.watch.start(3)
                    time.sleep(4)
            elif isinstance(event, FileEvent):
                assert event.scan.status is Status.OK


def test_waiting_files_go_on_or_end_as_they_are_told(files: list[MediaFile]) -> None:
    (video,) = [file for file in files if file.name == "pan.mp4"]
    grants: Iterator[int] = iter([2, 0])
    with WorkerPool(SETTINGS, workers=1) as pool:
        left, faces = [], 0
        for event in pool.events([video], lambda file: Visit(granted=0)):
            if isinstance(event, WaitEvent):
                left.append(event.left)
                pool.grant(event.file, next(grants))
            elif isinstance(event, FaceEvent):
                faces += 1
            elif isinstance(event, FileEvent):
                assert event.scan.frames_skipped == 1
    assert (left, faces) == ([3, 1], 2)


def test_workers_end_with_the_pool(files: list[MediaFile]) -> None:
    with WorkerPool(SETTINGS, workers=2) as pool:
        for event in pool.events(files):
            if isinstance(event, FileEvent):
                break
        numbers = pool.pids()
    assert len(numbers) == 2
    for number in numbers:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


def test_workers_that_cannot_start_are_an_error(
    files: list[MediaFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    with (
        pytest.raises(DfsubmitError, match="end as soon as they start"),
        WorkerPool(SETTINGS) as pool,
    ):
        collect(pool, files)


def test_the_current_folder_is_not_on_a_workers_path(
    files: list[MediaFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cv2.py").write_text("raise SystemExit('the data folder ran code')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    with WorkerPool(SETTINGS, workers=1) as pool:
        assert set(collect(pool, files[:1])) == {files[0].name}


def test_at_least_one_cpu_is_available() -> None:
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)
