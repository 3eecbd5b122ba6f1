"""A face's box → the crop that the model sees.

`crop_face` is the only crop function of the project: inference, extraction and everything else cut
with it, as the `Recipe` says.
"""

from __future__ import annotations

import numpy as np

from dfsubmit.faces.preprocess import RESAMPLING
from dfsubmit.recipe import Recipe
from dfsubmit.records import Box, Pixels

_ENDLESS = 10**7
"""The side of a frame that no crop reaches the end of."""


def crop_face(frame: Pixels, box: Box, recipe: Recipe) -> Pixels | None:
    """The face cut out of a frame with the recipe's margin and shape.

    Args:
        frame: RGB uint8 (height, width, 3).
        box: the detector's box in frame pixels.
        recipe: with crop_shape "box", margin × width is added at the left and the right and
            margin × height above and below, edges truncated and clipped to the frame; "square" is
            the organiser's crop (see `square_edges`). With the detector "none", the whole frame.

    Returns:
        RGB uint8 (h, w, 3), resized to `recipe.output_size` where the recipe asks for it; None
        where nothing of the face lies in the frame.
    """
    height, width = frame.shape[:2]
    if recipe.detector == "none":
        left, top, right, bottom = 0, 0, width, height
    else:
        left, top, right, bottom = _edges(box, width, height, recipe)
    if right <= left or bottom <= top:
        return None
    crop = frame[top:bottom, left:right]
    if recipe.output_size is not None and recipe.resampling is not None:
        from PIL import Image

        resample = Image.Resampling(RESAMPLING[recipe.resampling])
        picture = Image.fromarray(np.ascontiguousarray(crop))
        return np.asarray(picture.resize((recipe.output_size, recipe.output_size), resample))
    return crop


def box_in_crop(box: Box, crop_size: tuple[int, ...], recipe: Recipe) -> Box:
    """Where the detector's box lies in the crop that `crop_face` made of it, in crop pixels.

    A frame's right and bottom border need not be known: the crop begins at the same pixel in a
    frame without them. Only a crop that was cut short there *and* then resized to
    `recipe.output_size` is taken for whole, which moves the box by the part that is missing.

    Args:
        box: in frame pixels. A box that is the whole crop says that the file was a crop already:
            then the face is where the recipe's margin puts it, in the middle.
        crop_size: of the crop: its shape's (height, width).
        recipe: that it was cut with.
    """
    height, width = crop_size
    if box == (0, 0, width, height):
        grown = 1 + (recipe.margin if recipe.crop_shape == "square" else 2 * recipe.margin)
        across, down = width / grown, height / grown
        x, y = (width - across) / 2, (height - down) / 2
        return round(x), round(y), round(x + across), round(y + down)
    left, top, right, bottom = _edges(box, _ENDLESS, _ENDLESS, recipe)
    resized = recipe.output_size is not None
    across, down = (width / (right - left), height / (bottom - top)) if resized else (1.0, 1.0)
    return (
        round((box[0] - left) * across),
        round((box[1] - top) * down),
        round((box[2] - left) * across),
        round((box[3] - top) * down),
    )


def _edges(box: Box, width: int, height: int, recipe: Recipe) -> Box:
    """The crop's edges in a frame of that size; empty where nothing of the face lies in it."""
    if recipe.crop_shape == "square":
        return square_edges(box, width, height, 1 + recipe.margin)
    across, down = box[2] - box[0], box[3] - box[1]
    return (
        max(0, int(box[0] - recipe.margin * across)),
        max(0, int(box[1] - recipe.margin * down)),
        min(width, int(box[2] + recipe.margin * across)),
        min(height, int(box[3] + recipe.margin * down)),
    )


def square_edges(box: Box, width: int, height: int, factor: float) -> Box:
    """The organiser's square around a box: factor × its longer side, centred on it.

    At the left and top border the square is moved into the frame; at the right and bottom one it
    shrinks, and stays a square.
    """
    left, top, right, bottom = box
    side = int(max(right - left, bottom - top) * factor)
    x = max((left + right) // 2 - side // 2, 0)
    y = max((top + bottom) // 2 - side // 2, 0)
    side = min(width - x, height - y, side)
    return x, y, x + side, y + side
