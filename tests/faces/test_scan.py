"""One file in, its faces and its status out."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from clips import damage, make_video

from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.faces.scan import Scanner
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.media.limits import Limits
from dfsubmit.media.listing import list_media
from dfsubmit.recipe import Recipe
from dfsubmit.records import Face, FileScan, Kind, MediaFile, Status

pytestmark = pytest.mark.slow

RESIZE = Preprocessor(224, 224)


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    return Scanner(ScanSettings(Recipe(frames=6), RESIZE))


def scan(
    scanner: Scanner,
    path: Path,
    keep: int | None = None,
    proceed: Callable[[int], bool] | None = None,
) -> tuple[FileScan, list[Face]]:
    file = next(file for file in list_media(path.parent) if file.path == path)
    faces: list[Face] = []
    return scanner.scan(file, faces.append, keep, proceed), faces


def test_a_video_gives_one_resized_face_a_frame(scanner: Scanner, samples: Path) -> None:
    result, faces = scan(scanner, samples / "pan.mp4")
    assert (result.status, result.kind) == (Status.OK, Kind.VIDEO)
    assert (result.frames_asked, result.frames_decoded, result.frames_with_face) == (6, 6, 6)
    assert [face.index for face in faces] == sorted(face.index for face in faces)
    assert all(face.crop.shape == (224, 224, 3) for face in faces)
    assert all(face.detection > 0 for face in faces)
    assert result.seconds["decode"] > 0
    assert result.seconds["detect"] > 0


@pytest.mark.parametrize("name", ["face.jpg", "face.png", "grey.png", "turned.jpg"])
def test_pictures_have_one_upright_face(scanner: Scanner, samples: Path, name: str) -> None:
    result, (face,) = scan(scanner, samples / name)
    assert (result.status, result.kind, result.frames_asked) == (Status.OK, Kind.IMAGE, 1)
    assert (face.index, face.time) == (0, 0.0)


def test_a_turned_picture_has_the_box_of_the_upright_one(scanner: Scanner, samples: Path) -> None:
    _, (upright,) = scan(scanner, samples / "face.jpg")
    _, (turned,) = scan(scanner, samples / "turned.jpg")
    assert np.abs(np.subtract(turned.box, upright.box)).max() <= 4


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("broken.mp4", Status.UNREADABLE),
        ("text.mp4", Status.UNREADABLE),
        ("no_face.jpg", Status.NO_FACE),
    ],
)
def test_what_cannot_be_scored_says_why(
    scanner: Scanner, samples: Path, name: str, status: Status
) -> None:
    result, faces = scan(scanner, samples / name)
    assert (result.status, faces) == (status, [])
    assert result.error
    assert "\n" not in result.error


def test_an_unknown_file_is_unsupported(scanner: Scanner, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert scan(scanner, tmp_path / "notes.txt")[0].status is Status.UNSUPPORTED


def test_without_a_face_the_whole_frame_can_stand_in(samples: Path) -> None:
    scanner = Scanner(ScanSettings(Recipe(), RESIZE, no_face="whole-frame"))
    result, (face,) = scan(scanner, samples / "no_face.jpg")
    assert (result.status, result.frames_with_face) == (Status.OK, 0)
    assert face.box[:2] == (0, 0)
    assert scan(scanner, samples / "face.jpg")[0].frames_with_face == 1


def test_crops_come_unresized_without_a_preprocessor(samples: Path) -> None:
    _, (face,) = scan(Scanner(ScanSettings(Recipe())), samples / "face.png")
    left, top, right, bottom = face.box
    height, width, _ = face.crop.shape
    assert width == pytest.approx(1.8 * (right - left), abs=2)
    assert height == pytest.approx(1.8 * (bottom - top), abs=2)


@pytest.mark.parametrize("lie", [-1, 5, 400])
def test_a_lying_frame_count_changes_nothing(
    scanner: Scanner, samples: Path, monkeypatch: pytest.MonkeyPatch, lie: int
) -> None:
    from dfsubmit.media.frames import Video

    _, honest = scan(scanner, samples / "pan.mp4")
    original = Video.__init__

    def lying(self: Video, path: Path, limits: Limits) -> None:
        original(self, path, limits)
        self.frames = max(lie, 0)

    monkeypatch.setattr(Video, "__init__", lying)
    result, faces = scan(scanner, samples / "pan.mp4")
    assert [(face.index, face.box) for face in faces] == [(f.index, f.box) for f in honest]
    assert result.frames_decoded == 6


def test_lost_frames_are_noted(tmp_path: Path) -> None:
    path = damage(make_video(tmp_path / "v.avi", 60), range(5, 8))
    result, _ = scan(Scanner(ScanSettings(Recipe(detector="none"))), path)
    assert (result.status, result.frames_decoded, result.frames_lost) == (Status.OK, 40, 3)
    assert result.note == "3 of 60 frames could not be decoded"


def test_a_short_video_uses_each_frame_once(samples: Path) -> None:
    result, faces = scan(Scanner(ScanSettings(Recipe(), RESIZE)), samples / "twelve_frames.mp4")
    assert (result.frames_asked, result.frames_decoded) == (40, 12)
    assert [face.index for face in faces] == list(range(12))


def test_thinning_keeps_evenly_spread_frames(scanner: Scanner, samples: Path) -> None:
    _, every = scan(scanner, samples / "pan.mp4")
    result, faces = scan(scanner, samples / "pan.mp4", keep=3)
    assert (result.frames_asked, result.thinned, len(faces)) == (3, True, 3)
    assert {face.index for face in faces} < {face.index for face in every}


def test_out_of_order_visiting_finds_the_same_faces(scanner: Scanner, samples: Path) -> None:
    _, in_order = scan(scanner, samples / "pan.mp4")
    left: list[int] = []

    def proceed(frames: int) -> bool:
        left.append(frames)
        return True

    _, visited = scan(scanner, samples / "pan.mp4", proceed=proceed)
    assert left == [6, 5, 4, 3, 2, 1]
    assert [face.index for face in visited] != [face.index for face in in_order]
    for one, other in zip(in_order, sorted(visited, key=lambda f: f.index), strict=True):
        assert one.box == other.box
        np.testing.assert_array_equal(one.crop, other.crop)


def test_frames_beyond_the_byte_budget_take_further_passes(samples: Path) -> None:
    _, plenty = scan(
        Scanner(ScanSettings(Recipe(frames=5), RESIZE)), samples / "pan.mp4", proceed=lambda n: True
    )
    tight = Scanner(ScanSettings(Recipe(frames=5), RESIZE, limits=Limits(held_bytes=1)))
    _, scarce = scan(tight, samples / "pan.mp4", proceed=lambda n: True)
    assert [(f.index, f.box) for f in scarce] == [(f.index, f.box) for f in plenty]


def test_a_file_can_be_left_early(scanner: Scanner, samples: Path) -> None:
    result, faces = scan(scanner, samples / "pan.mp4", proceed=lambda left: left > 4)
    assert (result.frames_decoded, result.frames_skipped, len(faces)) == (2, 4, 2)


def test_a_file_that_changes_is_not_scored(scanner: Scanner, samples: Path, tmp_path: Path) -> None:
    shutil.copy(samples / "face.jpg", tmp_path / "face.jpg")
    (file,) = list_media(tmp_path)
    os.utime(tmp_path / "face.jpg", (1, 1))
    result = scanner.scan(file, lambda face: None)
    assert result.status is Status.UNREADABLE
    assert "changed" in result.error


def test_a_file_that_vanishes_says_so(scanner: Scanner, tmp_path: Path) -> None:
    result = scanner.scan(MediaFile(tmp_path / "gone.mp4", "gone.mp4"), lambda face: None)
    assert (result.status, result.error) == (Status.UNREADABLE, "No such file or directory")


def test_two_detectors_in_two_threads_agree_with_one(samples: Path) -> None:
    """One detector shared by two threads gives wrong boxes; one for each does not."""
    _, expected = scan(Scanner(ScanSettings(Recipe(frames=4))), samples / "pan.mp4")
    found: list[list[Face]] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(
                scan(Scanner(ScanSettings(Recipe(frames=4))), samples / "pan.mp4")[1]
            )
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [[face.box for face in faces] for faces in found] == [[f.box for f in expected]] * 2
