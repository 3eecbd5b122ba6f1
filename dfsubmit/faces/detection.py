"""A frame → its largest face.

In: an RGB uint8 frame (height, width, 3). Out: the face's box and the detector's score.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import cv2
import numpy as np

from dfsubmit.faces.hog import dlib_hog
from dfsubmit.recipe import BUILT_IN_DETECTOR, Recipe
from dfsubmit.records import Box, Detector, FloatArray, FoundFace, Pixels

LONGEST = 16
"""The maximum height of a detection image, as a multiple of the recipe's detection width. dlib
takes 24 MB per thousand rows of 640 pixels."""
REMEMBERED = 256
"""The number of images whose detections are cached: those of a few files."""


@dataclass(frozen=True)
class Detection:
    """A face that was found: its box in frame pixels, and the detector's score (dlib's HOG: > 0);
    landmarks as in `FoundFace`, in frame pixels."""

    box: Box
    score: float
    landmarks: FloatArray | None = None


class FaceDetector:
    """A recipe's detector, with the recipe's settings.

    Create one per process: dlib's detector is slow to build, and gives wrong boxes if two threads
    share it. Results are cached for files that need another pass, because detection takes most of
    a scan's time.

    Args:
        recipe: names the detector.
        detector: the detector; None for the built-in one.

    Raises:
        NotInstalled: the recipe needs dlib and it cannot be imported.
        ValueError: the recipe's detector is another one and was not given.
    """

    def __init__(self, recipe: Recipe, detector: Detector | None = None) -> None:
        self.recipe = recipe
        self._known: dict[tuple[bytes, tuple[int, ...], float], Detection | None] = {}
        if recipe.detector == BUILT_IN_DETECTOR:
            detector = dlib_hog()
        elif detector is None and recipe.detector != "none":
            raise ValueError(f"the detector {recipe.detector!r} was not given")
        self._detector = detector

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
        """The frame as the detector sees it, and its scale (1.0 if it was not reduced)."""
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
            upsampling: how often the detector doubles the part's size before it searches.
            left, top: the position of the part.

        Raises:
            ValueError: the detector returned an invalid face.
        """
        assert self._detector is not None
        found = self._detector(np.ascontiguousarray(image), upsampling)
        if not found:
            return None
        best = max(found, key=_area)
        edges = (best.box[0] + left, best.box[1] + top, best.box[2] + left, best.box[3] + top)
        if not all(map(math.isfinite, (*edges, best.score))):
            raise ValueError(f"the detector {self.recipe.detector!r} gave the face {best}")
        first, second, third, fourth = (int(edge / scale) for edge in edges)
        landmarks = None
        if best.landmarks is not None:
            points = np.asarray(best.landmarks, np.float64)
            if points.shape not in ((5, 2), (68, 2)) or not np.isfinite(points).all():
                raise ValueError(
                    f"the detector {self.recipe.detector!r} gave landmarks of shape {points.shape}"
                )
            landmarks = (points + np.array([left, top])) / scale
        return Detection((first, second, third, fourth), float(best.score), landmarks)


def _area(face: FoundFace) -> float:
    """As dlib counts it, the last row and column included."""
    return (face.box[2] - face.box[0] + 1) * (face.box[3] - face.box[1] + 1)
