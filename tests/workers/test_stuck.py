"""Files that take too long, and workers that stand still: each costs its file, and no other."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from poison import poisoned

from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.media.listing import list_media
from dfsubmit.recipe import Recipe
from dfsubmit.records import FileScan, MediaFile, Status
from dfsubmit.workers.events import FileEvent, RetryEvent
from dfsubmit.workers.pool import WorkerPool

pytestmark = pytest.mark.slow

SETTINGS = ScanSettings(Recipe(frames=3), Preprocessor(224, 224))


@pytest.fixture
def files(samples: Path) -> list[MediaFile]:
    return list_media(samples)


def outcomes(pool: WorkerPool, files: list[MediaFile]) -> tuple[dict[str, FileScan], list[str]]:
    """Every file's scan, and the files that were tried twice."""
    scans, retried = {}, []
    for event in pool.events(files):
        if isinstance(event, RetryEvent):
            retried.append(event.file.name)
        elif isinstance(event, FileEvent):
            scans[event.file.name] = event.scan
    return scans, retried


def test_a_file_that_takes_too_long_times_out(files: list[MediaFile], samples: Path) -> None:
    """What takes its time is not tried again; what waits is, for it may have been the machine."""
    busy = poisoned(files[0], "while True: pass")
    (face,) = [file for file in files if file.name == "face.jpg"]
    with WorkerPool(SETTINGS, workers=1, per_file_timeout=1.5) as pool:
        scans, retried = outcomes(pool, [busy, face])
        assert scans["poisoned.mp4"].status is Status.TIMEOUT
        assert scans["poisoned.mp4"].error == "took longer than 1.5 s"
        assert retried == []
        assert scans["face.jpg"].status is Status.OK
        assert pool.disk_answers
        waiting = poisoned(files[0], "import time; time.sleep(600)")
        scans, retried = outcomes(pool, [waiting, face])
        assert scans["poisoned.mp4"].status is Status.TIMEOUT
        assert "does the disk answer?" in scans["poisoned.mp4"].error
        assert retried == ["poisoned.mp4"]
        assert scans["face.jpg"].status is Status.OK


def test_a_suspended_worker_costs_its_file_a_second_try(files: list[MediaFile]) -> None:
    (video,) = [file for file in files if file.name == "pan.mp4"]
    with WorkerPool(SETTINGS, workers=1, per_file_timeout=4) as pool:
        suspended = False
        ends = []
        for event in pool.events([video]):
            if not suspended:
                suspended = True
                os.kill(pool.pids()[0], signal.SIGSTOP)
            ends.append(event)
    assert any(isinstance(event, RetryEvent) for event in ends)
    assert isinstance(ends[-1], FileEvent)
    assert ends[-1].scan.status is Status.OK


def test_workers_that_cannot_be_killed_are_left_alone(
    files: list[MediaFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a read from a disk that has gone does to a process; here, nobody is killed."""
    bad = poisoned(files[0], "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
    (face,) = [file for file in files if file.name == "face.jpg"]
    started: list[subprocess.Popen[bytes]] = []
    with monkeypatch.context() as patch:
        patch.setattr(subprocess.Popen, "kill", lambda process: started.append(process))
        with WorkerPool(SETTINGS, workers=1, per_file_timeout=1.5) as pool:
            scans, _ = outcomes(pool, [bad, face])
            assert len(pool._unkillable) == 2
            assert not pool.disk_answers
            patch.setattr("dfsubmit.workers.pool.MAX_UNKILLABLE", 2)
            rest, _ = outcomes(pool, [face])
    for process in started:
        process.kill()
        process.wait()
    assert scans["poisoned.mp4"].status is Status.TIMEOUT
    assert scans["face.jpg"].status is Status.OK
    assert rest["face.jpg"].status is Status.TIMEOUT
    assert rest["face.jpg"].error.startswith("not tried: ")


def test_where_nothing_answers_no_file_is_waited_for_twice(
    files: list[MediaFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = [poisoned(files[0], "import time; time.sleep(600)") for _ in range(3)]
    for number, file in enumerate(bad):
        object.__setattr__(file, "name", f"{number}.mp4")
    monkeypatch.setattr("dfsubmit.workers.pool.MANY_UNANSWERED", 3)
    with WorkerPool(SETTINGS, workers=1, per_file_timeout=1) as pool:
        scans, retried = outcomes(pool, bad)
        assert sorted(scans) == retried == ["0.mp4", "1.mp4", "2.mp4"]
        assert {scan.status for scan in scans.values()} == {Status.TIMEOUT}
        assert all(scan.error.startswith("not tried again: ") for scan in scans.values())


def test_a_worker_that_stops_within_a_message_stops_nobody_else(
    files: list[MediaFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfsubmit.workers.process.SILENT_SECONDS", 1)
    half = "import os, sys, time; os.write(int(sys.argv[1]), bytes([0, 0, 1, 0, 7])); "
    bad = poisoned(files[0], half + "time.sleep(600)")
    (face,) = [file for file in files if file.name == "face.jpg"]
    with WorkerPool(SETTINGS, workers=1) as pool:
        scans, retried = outcomes(pool, [bad, face])
    assert retried == ["poisoned.mp4"]
    assert scans["poisoned.mp4"].status is Status.CRASHED
    assert scans["face.jpg"].status is Status.OK
