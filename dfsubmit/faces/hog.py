"""dlib's HOG face detector, without work that cannot change which face is the largest.

In: an RGB uint8 picture (height, width, 3). Out: its largest face, equal to the bit to that of
dlib's own search.

dlib searches a pyramid of pictures with a window of constant size. Each level finds faces of one
size, and the first levels, which find the smallest faces, take most of the time. Then dlib goes
through all boxes by falling score, and keeps each box that does not overlap one that was kept.

Here the levels are searched from the last one, which finds the largest faces. As soon as some have
survived, a further level can only add smaller ones, and these change the survivors only if one of
them overlaps a survivor and has a higher score. (Of the boxes found before, take the one with the
highest score that is now removed, or kept, for the first time. It cannot be kept for the first
time, because the box that removed it is still there. So it was a survivor, and a new box with a
higher score removed it.) A further level is therefore searched only around the survivors, and only
for higher scores. Where there is one, the level is searched whole, and those that were left out
before it, and the search goes on with the survivors of then.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from dfsubmit.faces.levels import (
    CELL,
    WINDOW,
    Found,
    Levels,
    Overlap,
    area,
    down,
    up,
)
from dfsubmit.libraries import load_dlib
from dfsubmit.records import Box, Detector, FoundFace, Pixels

CONTEXT = 3 * CELL
"""The pixels around a window on which its features depend: a pixel counts for the cells around it,
and a cell is normalised with its neighbours."""
ROUNDING = 0.01
"""A score in a part of a level could differ from that in the whole level by the rounding of float32
sums. None of 5,186 windows on frames of the research media did. Scores that are higher by less than
this count too."""
WORTHWHILE = 0.8
"""Parts of a level are searched if they have at most this share of its area."""


def dlib_hog() -> Detector:
    """dlib's HOG frontal face detector. It returns the largest face and, in no order of size, some
    or all of the others.

    Raises:
        NotInstalled: dlib cannot be imported.
    """
    dlib = load_dlib()
    plain = dlib.get_frontal_face_detector()

    def whole(picture: Pixels, upsampling: int) -> list[FoundFace]:
        boxes, scores, _ = plain.run(picture, upsampling, 0.0)
        return [
            FoundFace((box.left(), box.top(), box.right(), box.bottom()), float(score))
            for box, score in zip(boxes, scores, strict=True)
        ]

    try:
        levels = Levels(dlib, plain)
        if not _equal(levels, plain):
            return whole
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return whole  # another version of dlib, which only takes longer

    def search(picture: Pixels, upsampling: int) -> Sequence[FoundFace]:
        # Beyond one doubling, dlib rounds boxes in a different way.
        found = largest(levels, picture, upsampling) if upsampling in (0, 1) else None
        if found is None:
            return whole(picture, upsampling)
        return [FoundFace(face.box, face.score) for face in found]

    return search


def largest(levels: Levels, picture: Pixels, upsampling: int) -> list[Found] | None:
    """The faces that a whole search would find, down to the size of some level, by falling score.

    Args:
        levels: of dlib's detector.
        picture: RGB uint8 (h, w, 3), C-contiguous.
        upsampling: how often dlib would double it, 0 or 1.

    Returns:
        Faces, their boxes in pixels of the picture: the largest one and maybe others, or none if
        there is none. None if only a whole search can tell: two boxes have the same score.
    """
    pictures = levels.pictures(picture, upsampling)  # of the levels not yet searched whole
    found: list[Found] = []
    survivors: list[Found] = []
    for level in range(len(pictures) - 1, -1, -1):
        if survivors and not _disturbed(levels, survivors, pictures[level], level):
            continue
        while len(pictures) > level:
            last = pictures.pop()
            found += levels.search(last, len(pictures))
        if len({face.score for face in found}) < len(found):
            return None  # dlib sorts them, in an order that is not defined
        survivors = levels.overlap.survivors(found)
    if upsampling:
        return [face._replace(box=levels.before_upsampling(face.box)) for face in survivors]
    return survivors


def _disturbed(levels: Levels, survivors: list[Found], picture: Pixels, level: int) -> bool:
    """Whether a level has a window that overlaps a survivor and has a higher score."""
    parts = [(_around(face.box, levels.overlap, picture, level), face.score) for face in survivors]
    size = picture.shape[0] * picture.shape[1]
    if sum(_size(part) for part, _ in parts) > WORTHWHILE * size:
        lowest = min(face.score for face in survivors)
        parts = [((0, 0, picture.shape[1], picture.shape[0]), lowest)]
    for (left, top, right, bottom), score in parts:
        part = np.ascontiguousarray(picture[top:bottom, left:right])
        for other in levels.search(part, level, score - ROUNDING, left, top):
            for face in survivors:
                higher = other.score >= face.score - ROUNDING
                if higher and levels.overlap(other.box, face.box):
                    return True
    return False


def _size(part: Box) -> int:
    return (part[2] - part[0]) * (part[3] - part[1])


def _around(box: Box, overlap: Overlap, picture: Pixels, level: int) -> Box:
    """The part of a level in which all windows lie that overlap a larger box, and their context:
    left, top, right and bottom, which are excluded, on the grid of the cells."""
    # A window of this level is smaller than the box. If it overlaps, then the box covers at least
    # this share of it, so the rest, of its width or of its height, lies outside. 0.03 is for the
    # rounding of both boxes, and a cell is added to the window for the same reason.
    share = min(overlap.cover, overlap.match * area(box) / up(WINDOW, level) ** 2) - 0.03
    margin = (1 - share) * (WINDOW + CELL) + CONTEXT
    left, top, right, bottom = (down(edge, level) for edge in box)
    height, width = picture.shape[:2]
    return (
        max(int((left - margin) // CELL) * CELL, 0),
        max(int((top - margin) // CELL) * CELL, 0),
        min((int((right + margin) // CELL) + 1) * CELL, width),
        min((int((bottom + margin) // CELL) + 1) * CELL, height),
    )


def _equal(levels: Levels, plain: object) -> bool:
    """Whether the levels together give what dlib gives, on a small picture of noise, with a
    threshold so low that boxes of five levels are found and some overlap."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    picture = cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC)
    threshold = -1.5
    boxes, scores, _ = plain.run(picture, 1, threshold)  # type: ignore[attr-defined]
    expected = [
        ((box.left(), box.top(), box.right(), box.bottom()), score)
        for box, score in zip(boxes, scores, strict=True)
    ]
    found = []
    for level, part in enumerate(levels.pictures(picture, 1)):
        found += levels.search(part, level, threshold)
    survivors = levels.overlap.survivors(found)
    return expected == [(levels.before_upsampling(face.box), face.score) for face in survivors]
