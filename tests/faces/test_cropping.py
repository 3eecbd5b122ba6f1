"""Where a detector's box lies in the crop that was made of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dfsubmit.faces.cropping import box_in_crop, crop_face
from dfsubmit.recipe import BUILT_IN, Recipe

SIDE = st.integers(20, 60)


@given(st.integers(-10, 120), st.integers(-10, 120), SIDE, SIDE, st.sampled_from([0.0, 0.4, -0.2]))
def test_the_box_is_found_at_every_border(
    left: int, top: int, width: int, height: int, margin: float
) -> None:
    """A frame whose pixels say where they are."""
    frame = np.zeros((128, 130, 3), np.uint8)
    frame[:, :, 0], frame[:, :, 1] = np.arange(130), np.arange(128)[:, None]
    for shape in ("box", "square"):
        recipe = Recipe(margin=margin, crop_shape=shape)
        box = (left, top, left + width, top + height)
        crop = crop_face(frame, box, recipe)
        if crop is not None and crop.shape[:2] != (height, width):
            x, y, right, bottom = box_in_crop(box, crop.shape[:2], recipe)
            assert (right - x, bottom - y) == (width, height)
            assert (left - x, top - y) == (crop[0, 0, 0], crop[0, 0, 1])


def test_a_crop_that_was_resized_has_a_resized_box() -> None:
    frame = np.zeros((400, 400, 3), np.uint8)
    recipe = BUILT_IN["organiser-baseline"]
    crop = crop_face(frame, (150, 150, 250, 250), recipe)
    assert crop is not None
    # A square of 130 pixels becomes one of 224.
    assert box_in_crop((150, 150, 250, 250), crop.shape[:2], recipe) == (26, 26, 198, 198)


def test_a_file_that_was_a_crop_has_its_face_in_the_middle() -> None:
    assert box_in_crop((0, 0, 180, 90), (90, 180), Recipe()) == (40, 20, 140, 70)
    assert box_in_crop((0, 0, 130, 130), (130, 130), BUILT_IN["organiser-baseline"]) == (
        15,
        15,
        115,
        115,
    )
