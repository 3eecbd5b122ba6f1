"""Detection and the one crop function, to the letter of both recipes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from dfsubmit.faces.cropping import crop_face, square_edges
from dfsubmit.faces.detection import REMEMBERED, Detection, FaceDetector
from dfsubmit.recipe import BUILT_IN, Recipe
from dfsubmit.records import Box, Pixels

BASELINE = BUILT_IN["organiser-baseline"]


@pytest.fixture(scope="module")
def photograph() -> npt.NDArray[Any]:
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the photograph")
    picture: npt.NDArray[Any] = data.astronaut()
    return picture


def coordinates(width: int, height: int) -> npt.NDArray[Any]:
    """A picture whose red and green values are the column and the row."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, :, 0] = np.arange(width)
    picture[:, :, 1] = np.arange(height)[:, None]
    return picture


def edges_of(crop: npt.NDArray[Any] | None) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a crop of `coordinates`."""
    assert crop is not None
    return (
        int(crop[0, 0, 0]),
        int(crop[0, 0, 1]),
        int(crop[-1, -1, 0]) + 1,
        int(crop[-1, -1, 1]) + 1,
    )


def test_the_face_of_a_photograph_is_found(photograph: npt.NDArray[Any]) -> None:
    detection = FaceDetector(Recipe()).largest(photograph)
    assert detection is not None
    left, top, right, bottom = detection.box
    assert left < 222 < right
    assert top < 110 < bottom
    assert detection.score > 0


def test_a_picture_that_comes_again_is_not_searched_again(
    photograph: npt.NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = FaceDetector(Recipe(detection_width=160, upsampling=0))
    search, searched = detector.search, []

    def counting(image: Pixels, *more: Any) -> Detection | None:
        searched.append(image.shape)
        return search(image, *more)

    monkeypatch.setattr(detector, "search", counting)
    other = photograph.copy()
    other[::2] = 255 - other[::2]
    turned = photograph.swapaxes(0, 1)  # the same bytes in memory, another picture
    pictures = (photograph, other, turned, photograph[:, :100])
    first = [detector.largest(picture) for picture in pictures]
    assert [detector.largest(picture.copy()) for picture in pictures] == first
    assert len(searched) == len(pictures)
    for number in range(REMEMBERED):
        detector.largest(np.full((8, 8, 3), number % 256, np.uint8))
    assert detector.largest(photograph) == first[0]
    assert searched[-1] == searched[0]


def test_the_largest_of_two_faces_wins(photograph: npt.NDArray[Any]) -> None:
    face = photograph[0:256, 96:352]
    double = np.asarray(Image.fromarray(face).resize((512, 512), Image.Resampling.BICUBIC))
    canvas = np.full((512, 768, 3), 127, np.uint8)
    canvas[:256, :256], canvas[:, 256:] = face, double
    detection = FaceDetector(Recipe(detection_width=768)).largest(canvas)
    assert detection is not None
    assert detection.box[0] > 256


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((700, 300), (700, 300)),
        ((1600, 1600), (640, 640)),
        ((10_240, 640), (10_240, 640)),
        ((20_480, 640), (10_240, 320)),
        ((40_000, 3), (10_240, 1)),
        ((3, 40_000), (1, 640)),
    ],
)
def test_neither_side_is_searched_without_a_limit(
    shape: tuple[int, int], expected: tuple[int, int]
) -> None:
    image, scale = FaceDetector(Recipe()).detection_image(np.zeros((*shape, 3), np.uint8))
    assert image.shape == (*expected, 3)
    assert scale == min(1, 640 / shape[1], 10_240 / shape[0])


def test_a_picture_one_pixel_wide_is_searched() -> None:
    assert FaceDetector(Recipe()).largest(np.zeros((40_000, 3, 3), np.uint8)) is None


def test_nothing_is_found_in_noise() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    assert FaceDetector(Recipe()).largest(noise) is None


def test_wide_frames_are_reduced_and_boxes_scaled_back_by_truncation(
    photograph: npt.NDArray[Any],
) -> None:
    import cv2
    import dlib

    wide = np.asarray(Image.fromarray(photograph).resize((1001, 777), Image.Resampling.BICUBIC))
    scale = 640 / 1001
    small = cv2.resize(wide, (640, int(777 * scale)), interpolation=cv2.INTER_AREA)
    (face, *_) = dlib.get_frontal_face_detector()(small, 1)
    edges = (face.left(), face.top(), face.right(), face.bottom())
    detection = FaceDetector(Recipe()).largest(wide)
    assert detection is not None
    assert detection.box == tuple(int(edge / scale) for edge in edges)


def test_without_a_detector_the_whole_frame_is_the_face(photograph: npt.NDArray[Any]) -> None:
    recipe = Recipe(detector="none")
    detection = FaceDetector(recipe).largest(photograph)
    assert detection is not None
    crop = crop_face(photograph, detection.box, recipe)
    assert crop is not None
    np.testing.assert_array_equal(crop, photograph)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((100, 80, 131, 113), (87, 66, 143, 126)),  # int(100 - 12.4), int(80 - 13.2), …
        ((3, 2, 40, 50), (0, 0, 54, 69)),  # clipped at the left and the top
        ((190, 140, 240, 199), (170, 116, 250, 200)),  # and at the right and the bottom
        ((-10, -10, 20, 20), (0, 0, 32, 32)),  # a box that begins outside
    ],
)
def test_the_default_margin_is_a_share_of_width_and_height(box: Box, expected: Box) -> None:
    assert edges_of(crop_face(coordinates(250, 200), box, Recipe())) == expected


def test_a_negative_margin_cuts_into_the_box() -> None:
    crop = crop_face(coordinates(250, 200), (100, 100, 140, 140), Recipe(margin=-0.1))
    assert edges_of(crop) == (104, 104, 136, 136)


def test_a_box_outside_the_frame_has_no_crop() -> None:
    assert crop_face(coordinates(50, 50), (200, 200, 220, 220), Recipe()) is None


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((100, 80, 131, 111), (95, 75, 135, 115)),  # inside: 1.3 × 31 = 40, centred on (115, 95)
        ((2, 80, 42, 120), (0, 74, 52, 126)),  # left: moved in, not shrunk
        ((80, 1, 120, 41), (74, 0, 126, 52)),  # top: moved in, not shrunk
        ((205, 80, 245, 120), (199, 74, 250, 125)),  # right: shrunk, still square
        ((80, 155, 120, 195), (74, 149, 125, 200)),  # bottom: shrunk, still square
    ],
)
def test_the_organisers_square_at_all_four_borders(box: Box, expected: Box) -> None:
    square = square_edges(box, 250, 200, 1 + BASELINE.margin)
    assert square == expected
    assert square[2] - square[0] == square[3] - square[1]


def test_the_organisers_crop_is_resized_to_224_bicubic() -> None:
    frame = coordinates(250, 200)
    box = (100, 80, 131, 111)
    crop = crop_face(frame, box, BASELINE)
    expected = Image.fromarray(frame[75:115, 95:135]).resize((224, 224), Image.Resampling.BICUBIC)
    assert crop is not None
    np.testing.assert_array_equal(crop, np.asarray(expected))
