"""dlib's HOG detector, one level of its image pyramid at a time.

In: an RGB uint8 picture (height, width, 3). Out: the pyramid's pictures, what the detector finds in
one of them before overlapping boxes are removed, and which boxes dlib counts as overlapping.

dlib only searches a whole pyramid. `Levels` rewrites the state that a detector gives for pickling,
so that it searches one level and removes nothing. Pictures and boxes are computed by dlib's own
functions, so the numbers are those of a whole search, to the bit. What dlib does with them is in
``scan_fhog_pyramid.h``, ``object_detector.h``, ``box_overlap_testing.h`` and
``simple_object_detector_py.h`` (dlib 20.0).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from dfsubmit.records import Box, Pixels

SMALLEST_LEVEL = 64
"""dlib's pyramid ends before a picture with fewer rows or columns than this. The first level is
searched in any case."""
CELL = 8
"""The width and height of a HOG cell in pixels."""
WINDOW = 80
"""The width and height of the detector's window in pixels of a level."""
RATE = 6
"""A level has (RATE - 1) / RATE of the rows and columns of the level before it."""

# The first integers of a serialised detector: its version, the scanner's version, two sizes of a
# list that is empty, cell, padding, window, levels, smallest level (twice), weight of the nuclear
# norm (mantissa, exponent), dimensions, and the two limits of `Overlap` (mantissa, exponent).
_HEAD = (2, 1, 0, 0, CELL, 0, WINDOW, WINDOW, None, SMALLEST_LEVEL, SMALLEST_LEVEL)
_LEVELS, _MATCH, _COVER, _END = 8, 14, 16, 18


class Found(NamedTuple):
    """A window with a face: the distance from the decision border, and the box in pixels of the
    first level."""

    score: float
    box: Box


class Overlap(NamedTuple):
    """When two boxes overlap so much that dlib keeps only the one with the higher score.

    Attributes:
        match: the area that both share, as a share of the smallest box around both.
        cover: the area that both share, as a share of one of the two.
    """

    match: float
    cover: float

    def __call__(self, one: Box, other: Box) -> bool:
        """Whether one of the two shares is exceeded."""
        left, top = max(one[0], other[0]), max(one[1], other[1])
        right, bottom = min(one[2], other[2]), min(one[3], other[3])
        shared = area((left, top, right, bottom))
        if shared == 0:
            return False
        left, top = min(one[0], other[0]), min(one[1], other[1])
        right, bottom = max(one[2], other[2]), max(one[3], other[3])
        around = area((left, top, right, bottom))
        return shared / around > self.match or shared / min(area(one), area(other)) > self.cover

    def survivors(self, found: list[Found]) -> list[Found]:
        """What is left when every box gives way to those with higher scores, by falling score."""
        kept: list[Found] = []
        for face in sorted(found, key=lambda face: -face.score):
            if not any(self(other.box, face.box) for other in kept):
                kept.append(face)
        return kept


class Levels:
    """The levels of dlib's pyramid, searched one by one.

    Not to be shared between threads.

    Args:
        dlib: the module.
        detector: its frontal face detector, which stays as it is.

    Raises:
        ValueError: the detector's state is not as expected; the message says what.
        AttributeError, TypeError: this dlib lacks a function that is needed.
    """

    def __init__(self, dlib: Any, detector: Any) -> None:
        (state,) = detector.__getstate__()
        head, rest = _integers(bytes(state), _END)
        expected = zip(_HEAD, head, strict=False)
        if any(value not in (None, found) for value, found in expected):
            raise ValueError(f"a detector of dlib that begins with {head}")
        self.overlap = Overlap(
            math.ldexp(*head[_MATCH : _MATCH + 2]), math.ldexp(*head[_COVER : _COVER + 2])
        )
        # One level; and shares can never exceed 1, so no box gives way to another one.
        head[_LEVELS] = 1
        head[_MATCH:_END] = [1, 0, 1, 0]
        kind: Any = type(detector)
        self._detector = kind.__new__(kind)
        self._detector.__setstate__((b"".join(map(_written, head)) + rest,))
        self._dlib = dlib
        self._doubled, self._reduced = dlib.pyramid_down(2), dlib.pyramid_down(RATE)

    def pictures(self, picture: Pixels, upsampling: int) -> list[Pixels]:
        """The pyramid's pictures, largest first.

        Args:
            picture: RGB uint8 (h, w, 3).
            upsampling: 1 to double it first, 0 not to.
        """
        if upsampling:
            _, _, right, bottom = self._rounded(self._doubled.rect_up(self._edges(picture)))
            picture = self._dlib.resize_image(picture, rows=bottom + 1, cols=right + 1)
        pictures = [picture]
        edges = self._edges(picture)
        while True:
            left, top, right, bottom = self._rounded(self._reduced.rect_down(edges))
            if min(right - left, bottom - top) + 1 < SMALLEST_LEVEL:
                return pictures
            pictures.append(self._reduced(pictures[-1]))
            edges = self._dlib.drectangle(left, top, right, bottom)

    def search(
        self, part: Pixels, level: int, threshold: float = 0.0, left: int = 0, top: int = 0
    ) -> list[Found]:
        """Every window with a face, in a part of a level that begins at (left, top) of it.

        Args:
            part: RGB uint8 (h, w, 3), C-contiguous.
            level: its number, from 0.
            threshold: the lowest score.
            left, top: the position of the part, multiples of `CELL`.
        """
        boxes, scores, _ = self._detector.run(part, 0, threshold)
        return [
            Found(score, self._rounded(self._reduced.rect_up(self._moved(box, left, top), level)))
            for box, score in zip(boxes, scores, strict=True)
        ]

    def before_upsampling(self, box: Box) -> Box:
        """Where a box of a doubled picture lies in the picture."""
        return self._rounded(self._doubled.rect_down(self._dlib.drectangle(*box)))

    def _edges(self, picture: Pixels) -> Any:
        return self._dlib.drectangle(0, 0, picture.shape[1] - 1, picture.shape[0] - 1)

    def _moved(self, box: Any, left: int, top: int) -> Any:
        edges = (box.left() + left, box.top() + top, box.right() + left, box.bottom() + top)
        return self._dlib.drectangle(*edges)

    @staticmethod
    def _rounded(box: Any) -> Box:
        left, top, right, bottom = box.left(), box.top(), box.right(), box.bottom()
        return _round(left), _round(top), _round(right), _round(bottom)


def area(box: Box) -> int:
    """As dlib counts it, the last row and column included; 0 if the box is empty."""
    return max(box[2] - box[0] + 1, 0) * max(box[3] - box[1] + 1, 0)


def up(edge: float, level: int) -> float:
    """Where an x or y of a level lies in the first level."""
    for _ in range(level):
        edge = edge * RATE / (RATE - 1) + 0.3
    return edge


def down(edge: float, level: int) -> float:
    """Where an x or y of the first level lies in a further one."""
    for _ in range(level):
        edge = (edge - 0.3) * (RATE - 1) / RATE
    return edge


def _round(value: float) -> int:
    """As C's ``lround``: halves away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def _integers(state: bytes, count: int) -> tuple[list[int], bytes]:
    """The first integers of dlib's serialisation, and the bytes after them. An integer is a byte
    with its length and sign, then its absolute value, lowest byte first."""
    integers, position = [], 0
    for _ in range(count):
        length = state[position] & 0x7F
        value = int.from_bytes(state[position + 1 : position + 1 + length], "little")
        integers.append(-value if state[position] & 0x80 else value)
        position += 1 + length
    return integers, state[position:]


def _written(value: int) -> bytes:
    """An integer in dlib's serialisation."""
    length = max(1, (abs(value).bit_length() + 7) // 8)
    sign = 0x80 if value < 0 else 0
    return bytes([length | sign]) + abs(value).to_bytes(length, "little")
