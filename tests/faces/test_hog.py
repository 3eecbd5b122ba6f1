"""The search from the last level on gives dlib's largest face, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import dlib
import numpy as np
import pytest

from dfsubmit.faces import hog
from dfsubmit.faces.levels import CELL, Levels
from dfsubmit.records import Box, Detector, Pixels

Answer = tuple[Box, float] | None


@pytest.fixture(scope="module")
def plain() -> Any:
    return dlib.get_frontal_face_detector()


@pytest.fixture(scope="module")
def detector() -> Detector:
    found = hog.dlib_hog()
    # Otherwise the tests would compare dlib's search with itself.
    assert found.__name__ == "search"
    return found


@pytest.fixture(scope="module")
def photograph() -> Pixels:
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the photograph")
    picture: Pixels = data.astronaut()
    return picture


@pytest.fixture(scope="module")
def face(photograph: Pixels) -> Pixels:
    return np.ascontiguousarray(photograph[20:200, 140:300])


def largest(faces: Any) -> Answer:
    def size(face: tuple[Box, float]) -> int:
        left, top, right, bottom = face[0]
        return (right - left + 1) * (bottom - top + 1)

    return max(faces, key=size, default=None)


def expected(plain: Any, picture: Pixels, upsampling: int) -> Answer:
    """What dlib's own search finds."""
    boxes, scores, _ = plain.run(picture, upsampling, 0.0)
    edges = [(box.left(), box.top(), box.right(), box.bottom()) for box in boxes]
    return largest(zip(edges, scores, strict=True))


def answer(detector: Detector, picture: Pixels, upsampling: int) -> Answer:
    return largest((face.box, face.score) for face in detector(picture, upsampling))


def resized(picture: Pixels, size: int) -> Pixels:
    small: Pixels = cv2.resize(picture, (size, size * picture.shape[0] // picture.shape[1]))
    return small


def collage(face: Pixels, seed: int) -> Pixels:
    """Up to six copies of a face on noise, of all sizes, mirrored, faint or cut off by others."""
    random = np.random.default_rng(seed)
    height, width = int(random.integers(90, 500)), int(random.integers(90, 640))
    picture = random.integers(90, 160, (height, width, 3), dtype=np.uint8)
    for _ in range(random.integers(0, 7)):
        copy = resized(face, int(random.integers(20, min(height, width))))
        copy = copy[:, ::-1] if random.random() < 0.5 else copy
        copy = (128 + random.uniform(0.1, 1) * (copy.astype(float) - 128)).astype(np.uint8)
        top, left = int(random.integers(0, height)), int(random.integers(0, width))
        part = picture[top : top + copy.shape[0], left : left + copy.shape[1]]
        part[:] = copy[: part.shape[0], : part.shape[1]]
    return picture


@pytest.mark.parametrize("upsampling", [0, 1, 2])
def test_the_face_of_a_photograph(
    plain: Any, detector: Detector, photograph: Pixels, upsampling: int
) -> None:
    found = answer(detector, photograph, upsampling)
    assert found is not None
    assert found == expected(plain, photograph, upsampling)


@pytest.mark.parametrize("seed", range(60))
def test_collages_of_faces(plain: Any, detector: Detector, face: Pixels, seed: int) -> None:
    picture = collage(face, seed)
    for upsampling in (0, 1):
        assert answer(detector, picture, upsampling) == expected(plain, picture, upsampling)


def test_the_collages_have_faces_of_many_sizes(plain: Any, face: Pixels) -> None:
    found = [expected(plain, collage(face, seed), 1) for seed in range(60)]
    widths = {face[0][2] - face[0][0] for face in found if face is not None}
    assert len(widths) > 8
    assert None in found


def test_a_small_face_that_removes_a_large_one(
    plain: Any, detector: Detector, face: Pixels
) -> None:
    """A faint large face with a clear small one in it: dlib keeps the one with the higher score."""
    large = resized(face, 320)
    faint = (128 + 0.2 * (large.astype(float) - 128)).astype(np.uint8)
    picture = np.full((480, 480, 3), 128, np.uint8)
    picture[40 : 40 + faint.shape[0], 80:400] = faint
    alone = expected(plain, picture, 1)
    small = resized(face, 80)
    picture[180 : 180 + small.shape[0], 180:260] = small
    both = expected(plain, picture, 1)
    assert alone is not None
    assert both is not None
    assert both[0][2] - both[0][0] < (alone[0][2] - alone[0][0]) / 2
    assert answer(detector, picture, 1) == both


@pytest.mark.slow
def test_frames_of_the_research_media(plain: Any, detector: Detector, shared: Path) -> None:
    """`test_reference.py` compares whole runs; here are other frames, searched as they come."""
    compared = 0
    for path in sorted((shared / "data" / "media" / "videos").glob("*.mp4")):
        video = cv2.VideoCapture(str(path))
        for _ in range(3):
            frames = [video.read() for _ in range(7)]
            if frames[-1][0]:
                small = resized(np.ascontiguousarray(frames[-1][1][:, :, ::-1]), 480)
                for upsampling in (0, 1):
                    found = answer(detector, small, upsampling)
                    assert found == expected(plain, small, upsampling), path.name
                    compared += 1
    assert compared > 100


def test_equal_scores(plain: Any, detector: Detector, face: Pixels) -> None:
    """Two copies, at the same place of the grid of HOG cells and far from all edges."""
    small = resized(face, 96)
    twice = np.full((200, 400, 3), 128, np.uint8)
    for left in (48, 240):
        twice[40 : 40 + small.shape[0], left : left + small.shape[1]] = small
    scores = plain.run(twice, 0, 0.0)[1]
    assert len(scores) > len(set(scores))
    assert answer(detector, twice, 0) == expected(plain, twice, 0)


@pytest.mark.parametrize(
    "shape", [(1, 1), (2, 300), (300, 2), (31, 33), (63, 64), (64, 64), (80, 80), (2000, 90)]
)
def test_small_and_narrow_pictures(plain: Any, detector: Detector, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for upsampling in (0, 1):
        assert answer(detector, picture, upsampling) == expected(plain, picture, upsampling)


def test_all_levels_together_find_what_dlib_finds(plain: Any, photograph: Pixels) -> None:
    """With a low threshold, for many boxes."""
    levels = Levels(dlib, plain)
    found = []
    for number, picture in enumerate(levels.pictures(photograph, 1)):
        found += levels.search(picture, number, -1.3)
    kept = levels.overlap.survivors(found)
    boxes, scores, _ = plain.run(photograph, 1, -1.3)
    assert len(found) > 2 * len(scores) > 30
    assert [face.score for face in kept] == list(scores)
    assert [levels.before_upsampling(face.box) for face in kept] == [
        (box.left(), box.top(), box.right(), box.bottom()) for box in boxes
    ]


def test_a_part_of_a_level_has_the_scores_of_the_level(plain: Any, photograph: Pixels) -> None:
    """But for rounding, far from the part's edges."""
    levels = Levels(dlib, plain)
    left, top, size = 96, 32, 240
    part = np.ascontiguousarray(photograph[top : top + size, left : left + size])
    inside = (left + hog.CONTEXT, top + hog.CONTEXT)
    outside = (left + size - hog.CONTEXT, top + size - hog.CONTEXT)

    def within(box: Box) -> bool:
        return (
            inside[0] <= box[0]
            and inside[1] <= box[1]
            and box[2] < outside[0]
            and box[3] < outside[1]
        )

    def best(part: Pixels, left: int, top: int) -> dict[Box, float]:
        found = levels.search(part, 0, -2.5, left, top)
        return {face.box: face.score for face in reversed(found)}

    whole, parts = best(photograph, 0, 0), best(part, left, top)
    compared = [box for box, score in whole.items() if within(box) and score > -2.4]
    assert len(compared) > 50
    assert left % CELL == top % CELL == 0
    for box in compared:
        assert parts[box] == pytest.approx(whole[box], abs=hog.ROUNDING / 100)


def without(name: str) -> SimpleNamespace:
    names = ("get_frontal_face_detector", "pyramid_down", "resize_image", "drectangle")
    return SimpleNamespace(**{other: getattr(dlib, other) for other in names if other != name})


def nearest(picture: Pixels, rows: int, cols: int) -> Pixels:
    large: Pixels = cv2.resize(picture, (cols, rows), interpolation=cv2.INTER_NEAREST)
    return large


class Unpickled:
    """A detector with the state of another version."""

    def __init__(self) -> None:
        self.run = dlib.get_frontal_face_detector().run

    def __getstate__(self) -> tuple[bytes]:
        return (b"\x01\x03" * 40,)


OTHERS: dict[str, Callable[[], Any]] = {
    "no pyramid": lambda: without("pyramid_down"),
    "no doubling": lambda: without("resize_image"),
    "other pictures": lambda: SimpleNamespace(
        **{**vars(without("resize_image")), "resize_image": nearest}
    ),
    "other state": lambda: SimpleNamespace(
        **{**vars(without("")), "get_frontal_face_detector": Unpickled}
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_dlib_searches_by_itself(
    plain: Any, photograph: Pixels, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hog, "load_dlib", OTHERS[other])
    detector = hog.dlib_hog()
    assert detector.__name__ == "whole"
    faces = detector(photograph, 0)
    assert [(face.box, face.score) for face in faces] == [
        ((box.left(), box.top(), box.right(), box.bottom()), score)
        for box, score in zip(*plain.run(photograph, 0, 0.0)[:2], strict=True)
    ]
