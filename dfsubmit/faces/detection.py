"""A frame → its largest face.

In: an RGB uint8 frame (height, width, 3). Out: the face's box and the detector's score.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np

from dfsubmit.libraries import load_dlib
from dfsubmit.recipe import Recipe
from dfsubmit.records import Box, Pixels

LONGEST = 16
"""A picture is searched at no more than so many times the recipe's detection width in height: each
thousand rows of 640 pixels take dlib 24 MB."""
REMEMBERED = 256
"""So many pictures' faces are kept, those of a few files."""


@dataclass(frozen=True)
class Detection:
    """A face that was found: its box in frame pixels, and the detector's score (> 0)."""

    box: Box
    score: float


class FaceDetector:
    """dlib's HOG frontal face detector (or none), with a recipe's settings.

    One object per process: dlib's detector is slow to build, and two threads that share one get
    wrong boxes. A picture that comes again, because a file turned out to need another pass, is not
    searched again: most of a scan's time is spent in here.

    Raises:
        NotInstalled: the recipe needs dlib and it cannot be imported.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._known: dict[tuple[bytes, tuple[int, ...], float], Detection | None] = {}
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
        key = (hashlib.sha256(small.tobytes()).digest(), small.shape, scale)
        if key not in self._known:
            while len(self._known) >= REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[key] = self.search(small, scale, self.recipe.upsampling)
        return self._known[key]

    def detection_image(self, frame: Pixels) -> tuple[Pixels, float]:
        """The frame as the detector sees it, and its scale (1.0 where it was not reduced)."""
        height, width = frame.shape[:2]
        most = self.recipe.detection_width
        scale = min(1.0, most / width, LONGEST * most / height)
        if scale == 1:
            return frame, 1.0
        size = (max(1, round(width * scale)), max(1, int(height * scale)))
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
