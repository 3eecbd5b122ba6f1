"""Promises that hold over several modules at once: odd folders, hostile files, determinism, the
fault suite in its short form. What one module promises is tested with that module."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dfsubmit import RunOptions, run, validate_submission
from dfsubmit.errors import UsageError
from dfsubmit.faces.scan import Scanner
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.media.limits import Limits
from dfsubmit.media.listing import list_media
from dfsubmit.output.summary import RunSummary
from dfsubmit.recipe import Recipe
from dfsubmit.records import Face, FileResult, FileScan, MediaFile, Status
from dfsubmit.workers.events import FileEvent
from dfsubmit.workers.pool import WorkerPool

REPOSITORY = Path(__file__).resolve().parents[1]
WHOLE_FRAMES = Recipe(name="whole", frames=4, detector="none")
QUICK = Recipe(name="quick", frames=4, upsampling=0)
NOBODY = 65534
QUICK_FAULTS = (
    "media",
    "decoding",
    "kills",
    "disk",
    "streams",
    "hangs",
    "bombs",
    "ledgers",
    "daemons",
)


def score(model: Path, data: Path, output: Path, **changes: Any) -> RunSummary:
    base = RunOptions(
        model=model, data=data, output=output, fallback=None, frames=4, progress=False, workers=1
    )
    return run(dataclasses.replace(base, **changes))


def by_name(summary: RunSummary) -> dict[str, FileResult]:
    return {result.filename: result for result in summary.results}


def test_whatever_lies_in_the_folder(tiny_model: Path, samples: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    hostile = [
        b"new\nline.jpg",
        b'quo"te,comma.jpg',
        b"=1+1.jpg",
        b"\xff\xfe.jpg",
        b"NA",
        b"\x1b[2J",
    ]
    for name in hostile:
        shutil.copy(os.fsencode(samples / "face.jpg"), os.fsencode(data) + b"/" + name)
    (data / "folder.mp4").mkdir()
    os.mkfifo(data / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(data / "socket.mp4"))
        (data / "dangling.mp4").symlink_to(data / "nowhere")
        (data / "loop.mp4").symlink_to(data / "loop.mp4")
        (data / "link.jpg").symlink_to(samples / "face.jpg")
        (data / "empty.mp4").touch()
        summary = score(tiny_model, data, tmp_path / "s.csv", recipe=WHOLE_FRAMES)
    results = by_name(summary)
    problems = validate_submission(tmp_path / "s.csv", data)
    assert [problem[:29] for problem in problems] == ["1 file name is not UTF-8 (the"]
    assert problems[0] in summary.meta["warnings"]
    assert summary.meta["passed_over"] == ["folder.mp4", "pipe.mp4", "socket.mp4"]
    scored = {name for name, result in results.items() if result.status is Status.OK}
    # By content, so the names do not matter.
    assert scored == {os.fsdecode(name) for name in hostile} | {"link.jpg"}
    assert set(results) - scored == {"dangling.mp4", "loop.mp4", "empty.mp4"}
    assert all(results[name].error for name in set(results) - scored)


def scan(file: MediaFile, limits: Limits | None = None) -> FileScan:
    def ignore(face: Face) -> None:
        pass

    return Scanner(ScanSettings(WHOLE_FRAMES, limits=limits or Limits())).scan(file, ignore)


def test_permission_denied_is_a_status(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret.jpg"
    shutil.copy(samples / "face.jpg", path)
    path.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:  # root may read everything, so be somebody else for a moment
            os.seteuid(NOBODY)
        result = scan(MediaFile(path, path.name))
    finally:
        os.seteuid(user)
    assert (result.status, result.error) == (Status.UNREADABLE, "Permission denied")


@pytest.mark.parametrize("name", ["face.jpg", "pan.mp4"])
def test_a_file_replaced_while_it_was_read_is_not_scored(
    samples: Path, tmp_path: Path, name: str
) -> None:
    shutil.copy(samples / name, tmp_path / name)
    (file,) = list_media(tmp_path)
    assert scan(file).status is Status.OK
    os.utime(file.path, ns=(1, 1))
    result = scan(file)
    assert result.status is Status.UNREADABLE
    assert "changed" in result.error
    file.path.unlink()
    assert scan(file).status is Status.UNREADABLE


@pytest.mark.parametrize("name", ["face.jpg", "pan.mp4"])
def test_too_many_pixels_are_refused(samples: Path, name: str) -> None:
    file = MediaFile(samples / name, name)
    result = scan(file, Limits(pixels=5000))
    assert result.status is Status.UNREADABLE
    assert "over the limit of 5000" in result.error


def test_too_many_frames_are_refused(samples: Path) -> None:
    result = scan(MediaFile(samples / "pan.mp4", "pan.mp4"), Limits(frames=20))
    assert (result.status, result.error) == (Status.UNREADABLE, "more than 20 frames")


PLAYLISTS = {
    "concat.mp4": "ffconcat version 1.0\nfile pan.mp4\n",
    "concat.mkv": "ffconcat version 1.0\nfile 'pan.mp4'\n",
    "hls.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\npan.mp4\n#EXT-X-ENDLIST\n",
    "hls.ts": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\npan.mp4\n#EXT-X-ENDLIST\n",
    "picture.jpg": "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n%%EOF\n",
}


def test_a_playlist_opens_no_other_file_and_a_picture_runs_no_program(
    samples: Path, tmp_path: Path
) -> None:
    shutil.copy(samples / "pan.mp4", tmp_path)
    for name, text in PLAYLISTS.items():
        (tmp_path / name).write_text(text)
    with WorkerPool(ScanSettings(WHOLE_FRAMES), 1) as pool:
        events = list(pool.events(list_media(tmp_path)))
    scans = {event.file.name: event.scan for event in events if isinstance(event, FileEvent)}
    assert scans.pop("pan.mp4").status is Status.OK
    assert {name: scan.status for name, scan in scans.items()} == dict.fromkeys(
        PLAYLISTS, Status.UNREADABLE
    )


def test_the_output_may_not_lie_among_the_media(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lies in the data folder"):
        score(tiny_model, tmp_path, tmp_path / "submission.csv")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link.csv").symlink_to(tmp_path / "submission.csv")
    with pytest.raises(UsageError, match="lies in the data folder"):
        score(tiny_model, tmp_path / "data", tmp_path / "data" / "link.csv")


def test_python_files_in_the_data_folder_are_not_run(tmp_path: Path) -> None:
    for name in ("numpy.py", "click.py", "pluggy.py"):
        (tmp_path / name).write_text("raise SystemExit('this was run')")
    done = subprocess.run(
        [sys.executable, "-m", "dfsubmit", "plugins"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert "this was run" not in done.stderr
    assert done.returncode == 0


@pytest.mark.slow
def test_labels_depend_on_nothing_but_the_media(
    tiny_model: Path, samples: Path, tmp_path: Path
) -> None:
    reversed_order = tmp_path / "reversed"
    reversed_order.mkdir()
    names = sorted(path.name for path in samples.iterdir())
    new_names = {f"{len(names) - number:02}-{name}": name for number, name in enumerate(names)}
    for new, old in new_names.items():
        (reversed_order / new).symlink_to(samples / old)
    runs = [
        by_name(score(tiny_model, samples, tmp_path / "a.csv", recipe=QUICK, **changes))
        for changes in (
            {"workers": 1, "batch_size": 1},
            {"workers": 4, "batch_size": 7},
            {"workers": 4, "batch_size": 64},
            {"workers": 1, "batch_size": 64, "time_limit": 3600.0},  # which has its own order
        )
    ]
    turned = by_name(
        score(tiny_model, reversed_order, tmp_path / "a.csv", recipe=QUICK, batch_size=7)
    )
    runs.append({new_names[new]: result for new, result in turned.items()})
    first, *others = runs
    assert {result.label for result in first.values()} == {0, 1}
    for other in others:
        for name, result in first.items():
            assert other[name].label == result.label
            assert other[name].status is result.status
            if result.p_fake is not None:
                assert other[name].p_fake == pytest.approx(result.p_fake, abs=1e-5)


@pytest.mark.slow
def test_the_fault_suite_in_its_short_form() -> None:
    done = subprocess.run(
        [sys.executable, "tests/faults", "--short", "--only", *QUICK_FAULTS],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "rows lost" in done.stdout
