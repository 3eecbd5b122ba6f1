"""Pictures of a scan: written file by file, read back, and never in a scan's way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dfsubmit.faces import pictures
from dfsubmit.faces.pictures import (
    CROP_SIDE,
    FRAME_SIDE,
    PictureTaker,
    encode,
    keep_pictures,
    read_pictures,
)
from dfsubmit.faces.scan import Scanner
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.media.frames import Frame
from dfsubmit.options import picture_file
from dfsubmit.recipe import Recipe
from dfsubmit.records import Face, MediaFile, Status


def _face(index: int, detection: float) -> Face:
    crop = np.full((224, 224, 3), 40 * index, np.uint8)
    return Face(index, index / 10, (1, 2, 30 + index, 40), detection, crop)


def _frame(index: int) -> Frame:
    return Frame(index, index / 10, np.full((720, 1280, 3), 200, np.uint8))


def test_what_was_taken_is_read_back(tmp_path: Path) -> None:
    taker = PictureTaker()
    for index, detection in ((4, 1.0), (0, 2.5), (2, 1.5)):
        face = _face(index, detection)
        taker.see(_frame(index), face)
        taker.take(face)
    name = "../a/\n\udcff.mp4"
    taker.write(tmp_path / "new", name)
    found = read_pictures(tmp_path / "new", name)
    assert found == taker.pictures()
    assert found is not None
    assert [crop.index for crop in found.crops] == [0, 2, 4]
    assert found.frame is not None
    assert (found.frame.index, found.frame.size) == (0, (1280, 720))  # the surest face's
    assert found.frame.box == (1, 2, 30, 40)
    assert [path.parent for path in (tmp_path / "new").iterdir()] == [tmp_path / "new"]


def test_without_a_face_the_first_frame_stands_for_the_file() -> None:
    taker = PictureTaker()
    for index in (3, 5):
        taker.see(_frame(index), None)
    taken = taker.pictures()
    assert taken.crops == ()
    assert taken.frame is not None
    assert (taken.frame.index, taken.frame.box) == (3, None)


@pytest.mark.parametrize(
    ("shape", "side", "expected"),
    [
        ((720, 1280, 3), FRAME_SIDE, (180, 320)),
        ((224, 224, 3), CROP_SIDE, (96, 96)),
        ((40, 30, 3), CROP_SIDE, (40, 30)),
        ((2, 5000, 3), CROP_SIDE, (1, 96)),
    ],
)
def test_pictures_are_reduced_and_never_enlarged(
    shape: tuple[int, int, int], side: int, expected: tuple[int, int]
) -> None:
    import cv2

    data = encode(np.full(shape, 90, np.uint8), side)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape[:2] == expected


def test_a_damaged_or_missing_picture_file_is_none(tmp_path: Path) -> None:
    assert read_pictures(tmp_path / "none", "a.mp4") is None
    PictureTaker().write(tmp_path, "a.mp4")
    path = picture_file(tmp_path, "a.mp4")
    path.write_bytes(path.read_bytes()[:40])
    assert read_pictures(tmp_path, "a.mp4") is None


def test_pictures_of_earlier_runs_go_and_other_files_stay(tmp_path: Path) -> None:
    folder = tmp_path / "submission.pictures"
    for name in ("a.mp4", "b.mp4"):
        PictureTaker().write(folder, name)
    keep_pictures(folder, {"a.mp4"})
    assert list(folder.iterdir()) == [picture_file(folder, "a.mp4")]
    (folder / "notes.txt").write_text("mine")
    keep_pictures(folder, set())
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    keep_pictures(folder, set())
    assert not folder.exists()
    keep_pictures(folder, set())


def test_a_picture_that_cannot_be_made_costs_the_file_nothing(
    samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise RuntimeError("no room")

    monkeypatch.setattr(pictures, "encode", fail)
    taker = PictureTaker()
    file = MediaFile(samples / "face.jpg", "face.jpg")
    settings = ScanSettings(Recipe(detector="none"))
    scan = Scanner(settings).scan(file, taker.take, see=taker.see)
    assert scan.status is Status.OK
    assert taker.pictures().crops == ()
