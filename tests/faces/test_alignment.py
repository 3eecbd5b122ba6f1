"""Aligned crops: the face is level and of one size, whatever the frame was, and points follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfsubmit.faces.cropping import (
    TEMPLATE,
    TEMPLATE_SIDE,
    box_in_crop,
    crop_face,
    points_in_crop,
)
from dfsubmit.faces.detection import FaceDetector
from dfsubmit.faces.scan import Scanner
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.recipe import BUILT_IN, Recipe
from dfsubmit.records import Face, FloatArray, FoundFace, MediaFile, Pixels

BENCH = BUILT_IN["deepfakebench"]
BOX = (0, 0, 10, 10)


def turned(degrees: float, scale: float, x: float, y: float) -> FloatArray:
    """The template's points in a frame, after a similarity."""
    angle = np.radians(degrees)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points: FloatArray = (TEMPLATE - TEMPLATE_SIDE / 2) @ matrix.T + (x, y)
    return points


@given(st.floats(-180, 180), st.floats(0.3, 5), st.floats(-50, 700), st.floats(-50, 500))
def test_every_turned_face_comes_to_lie_on_the_template(
    degrees: float, scale: float, x: float, y: float
) -> None:
    landmarks = turned(degrees, scale, x, y)
    points = points_in_crop(landmarks, (480, 640), BOX, BENCH)
    wanted = (TEMPLATE / TEMPLATE_SIDE + 0.15) / 1.3 * 256
    np.testing.assert_allclose(points, wanted, atol=1e-6)


def test_the_pixels_are_where_the_points_are() -> None:
    """A frame with a coloured dot on each landmark."""
    landmarks = turned(25, 2.0, 320, 240)
    frame = np.zeros((480, 640, 3), np.uint8)
    for x, y in landmarks:
        cv2.circle(frame, (round(x), round(y)), 7, (255, 255, 255), -1)
    for recipe in (BENCH, Recipe(align="eyes", detector="any", margin=0.15)):
        crop = crop_face(frame, BOX, recipe, landmarks)
        assert crop is not None
        # Without an output size the face keeps its scale: 112 · 2 pixels, and the margin.
        assert crop.shape == ((256, 256, 3) if recipe.output_size else (291, 291, 3))
        for x, y in points_in_crop(landmarks, (480, 640), BOX, recipe):
            assert crop[round(y), round(x), 0] > 250
        around = box_in_crop(BOX, crop.shape[:2], recipe)
        assert around[2] - around[0] == pytest.approx(crop.shape[1] / 1.3, abs=1)


def test_of_68_landmarks_five_are_taken() -> None:
    landmarks = np.random.default_rng(0).uniform(0, 600, (68, 2))
    landmarks[[37, 44, 30, 49, 55]] = turned(-10, 1.5, 300, 200)
    points = points_in_crop(landmarks, (480, 640), BOX, BENCH)
    assert points.shape == (68, 2)
    np.testing.assert_allclose(points[37], (TEMPLATE[0] / 112 + 0.15) / 1.3 * 256, atol=1e-6)


def test_outside_of_the_frame_is_black_and_a_face_outside_of_it_is_none() -> None:
    frame = np.full((100, 100, 3), 200, np.uint8)
    crop = crop_face(frame, BOX, BENCH, turned(0, 1.0, 0, 50))
    assert crop is not None
    assert (crop[:, :100] == 0).all()
    assert (crop[100:150, 140:] == 200).all()
    assert crop_face(frame, BOX, BENCH, turned(0, 1.0, -200, 50)) is None


@pytest.mark.parametrize("landmarks", [None, np.full((5, 2), 30.0)])
def test_a_face_that_cannot_be_aligned_is_an_error(landmarks: Any) -> None:
    with pytest.raises(ValueError, match="landmarks"):
        crop_face(np.zeros((90, 90, 3), np.uint8), BOX, BENCH, landmarks)


@pytest.mark.parametrize("recipe", [Recipe(margin=0.2), BUILT_IN["organiser-baseline"]])
def test_points_follow_plain_crops_too(recipe: Recipe) -> None:
    frame = np.zeros((200, 200, 3), np.uint8)
    frame[70:74, 80:84] = 255
    crop = crop_face(frame, (50, 50, 110, 110), recipe)
    assert crop is not None
    ((x, y),) = points_in_crop(np.array([[82.0, 72.0]]), (200, 200), (50, 50, 110, 110), recipe)
    assert crop[int(y), int(x), 0] > 200


def test_the_largest_face_is_taken_with_its_landmarks_at_the_frames_scale() -> None:
    def detector(picture: Pixels, upsampling: int) -> list[FoundFace]:
        assert picture.shape == (240, 320, 3)
        assert upsampling == 1
        large = FoundFace((10.5, 10, 60, 60), 0.5, turned(0, 0.3, 35, 35))
        return [FoundFace((0, 0, 20, 20), 9.0), large, FoundFace((0, 0, 30, 30), 9.0)]

    recipe = Recipe(detector="any", align="eyes", detection_width=320)
    found = FaceDetector(recipe, detector).largest(np.zeros((480, 640, 3), np.uint8))
    assert found is not None
    assert (found.box, found.score) == ((21, 20, 120, 120), 0.5)
    assert found.landmarks is not None
    np.testing.assert_allclose(found.landmarks, turned(0, 0.6, 70, 70))


@pytest.mark.parametrize(
    "face",
    [
        FoundFace((0, 0, float("nan"), 20), 1.0),
        FoundFace((0, 0, 20, 20), float("inf")),
        FoundFace((0, 0, 20, 20), 1.0, np.zeros((7, 2))),
        FoundFace((0, 0, 20, 20), 1.0, np.full((5, 2), np.nan)),
    ],
)
def test_what_is_no_face_is_refused_with_the_detectors_name(face: FoundFace) -> None:
    detector = FaceDetector(Recipe(detector="mad"), lambda picture, upsampling: [face])
    with pytest.raises(ValueError, match="'mad'"):
        detector.largest(np.zeros((90, 90, 3), np.uint8))


def test_a_detector_that_was_not_given_is_missed_at_once() -> None:
    with pytest.raises(ValueError, match="'dlib-cnn' was not given"):
        FaceDetector(Recipe(detector="dlib-cnn"))


@pytest.mark.parametrize("there", [True, False])
def test_a_scan_aligns_and_whole_frames_stay_whole(tmp_path: Path, there: bool) -> None:
    def detector(picture: Pixels, upsampling: int) -> list[FoundFace]:
        return [FoundFace((20, 20, 90, 90), 1.0, turned(30, 0.6, 60, 60))] if there else []

    path = tmp_path / "face.png"
    cv2.imwrite(str(path), np.full((120, 160, 3), 90, np.uint8))
    found: list[Face] = []
    scanner = Scanner(ScanSettings(BENCH, no_face="whole-frame"), detector)
    scanner.scan(MediaFile(path, path.name), found.append)
    (face,) = found
    assert face.crop.shape == (256, 256, 3)
    assert (face.landmarks is not None) == there
