"""A face's box → the crop that the model sees.

`crop_face` is the only crop function of the project: inference, extraction and everything else cut
with it, as the `Recipe` says.
"""

from __future__ import annotations

import numpy as np

from dfsubmit.faces.preprocess import RESAMPLING
from dfsubmit.recipe import Recipe
from dfsubmit.records import Box, Pixels


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
    elif recipe.crop_shape == "square":
        left, top, right, bottom = square_edges(box, width, height, 1 + recipe.margin)
    else:
        box_width, box_height = box[2] - box[0], box[3] - box[1]
        left = max(0, int(box[0] - recipe.margin * box_width))
        top = max(0, int(box[1] - recipe.margin * box_height))
        right = min(width, int(box[2] + recipe.margin * box_width))
        bottom = min(height, int(box[3] + recipe.margin * box_height))
    if right <= left or bottom <= top:
        return None
    crop = frame[top:bottom, left:right]
    if recipe.output_size is not None and recipe.resampling is not None:
        from PIL import Image

        resample = Image.Resampling(RESAMPLING[recipe.resampling])
        picture = Image.fromarray(np.ascontiguousarray(crop))
        return np.asarray(picture.resize((recipe.output_size, recipe.output_size), resample))
    return crop


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
