"""A frame → its largest face → the crop that the model sees.

In: an RGB uint8 frame (height, width, 3). Out: the face's box and the detector's score, and from
those the crop, RGB uint8. `crop_face` is the only crop function of the project: inference,
extraction and everything else cut with it, as the `Recipe` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from dfsubmit.preprocess import RESAMPLING
from dfsubmit.recipe import Recipe
from dfsubmit.records import Box, Pixels


@dataclass(frozen=True)
class Detection:
    """A face that was found: its box in frame pixels, and the detector's score (> 0)."""

    box: Box
    score: float


class FaceDetector:
    """dlib's HOG frontal face detector (or none), with a recipe's settings.

    One object per process: dlib's detector is slow to build, and two threads that share one get
    wrong boxes.

    Raises:
        NotInstalled: the recipe needs dlib and it cannot be imported.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        if recipe.detector == "dlib-hog":
            self._detector = load_dlib().get_frontal_face_detector()

    def largest(self, frame: Pixels) -> Detection | None:
        """The largest face of a frame, searched whole, or None.

        With the detector "none" the whole frame is the face.
        """
        height, width = frame.shape[:2]
        if self.recipe.detector == "none":
            return Detection((0, 0, width, height), 1.0)
        small, scale = self.detection_image(frame)
        return self.search(small, scale, self.recipe.upsampling)

    def detection_image(self, frame: Pixels) -> tuple[Pixels, float]:
        """The frame as the detector sees it, and its scale (1.0 where it was not reduced)."""
        height, width = frame.shape[:2]
        if width <= self.recipe.detection_width:
            return frame, 1.0
        scale = self.recipe.detection_width / width
        size = (self.recipe.detection_width, max(1, int(height * scale)))
        return cv2.resize(frame, size, interpolation=cv2.INTER_AREA), scale

    def search(
        self, image: Pixels, scale: float, upsampling: int, left: int = 0, top: int = 0
    ) -> Detection | None:
        """The largest face in a part of a detection image that begins at (left, top) of it.

        Args:
            image: RGB uint8 (h, w, 3), the part.
            scale: of the detection image.
            upsampling: how often dlib doubles the part before it searches.
            left, top: where the part begins.
        """
        found, scores, _ = self._detector.run(np.ascontiguousarray(image), upsampling, 0.0)
        if not found:
            return None
        best = max(range(len(found)), key=lambda number: found[number].area())
        face = found[best]
        edges = (face.left() + left, face.top() + top, face.right() + left, face.bottom() + top)
        first, second, third, fourth = (int(edge / scale) for edge in edges)
        return Detection((first, second, third, fourth), float(scores[best]))


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


def load_dlib() -> Any:
    """The dlib module, from `dlib-bin` or from dlib itself.

    Raises:
        NotInstalled: neither can be imported.
    """
    try:
        import dlib
    except ImportError as error:
        from dfsubmit.errors import NotInstalled

        raise NotInstalled(f"dlib cannot be imported: {error}", "pip install dlib-bin") from error
    return dlib
