"""Whether an MP4 or MOV file's video is displayed mirrored, which OpenCV ignores.

In: a file. Out: the axis along which the frames must be flipped after OpenCV has rotated them. A
display matrix (ISO/IEC 14496-12, 8.3.2: a, b, u, c, d, v, x, y, w) maps x to a x + c y and y to
b x + d y; it mirrors if its determinant a d - b c is negative. OpenCV derives the angle from a and
b only, so what remains is the sign of the second row: c, or d.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

UPSIDE_DOWN, LEFT_TO_RIGHT = 0, 1
"""Axes of the pixels, as `numpy.flip` takes them."""

_MOST_BOXES = 10_000  # before it, in a file
_LARGEST = 64 * 2**20  # of a moov box; those of films of hours are smaller


def mirror_axis(path: Path) -> int | None:
    """The axis of the first video track; None for files that are not mirrored, or not MP4.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        moov = _moov(stream)
    for kind, track in _boxes(moov):
        if kind != b"trak":
            continue
        parts = dict(_boxes(track))
        handler = dict(_boxes(parts.get(b"mdia", b""))).get(b"hdlr", b"")
        header = parts.get(b"tkhd", b"")
        # Version, flags, times and numbers; version 1 has its times and duration in 64 bits.
        place = 52 if header[:1] == b"\1" else 40
        if handler[8:12] == b"vide" and len(header) >= place + 36:
            a, b, _, c, d = struct.unpack(">5i", header[place : place + 20])
            if a * d - b * c >= 0:
                return None
            return UPSIDE_DOWN if abs(a) > abs(b) else LEFT_TO_RIGHT
    return None


def _moov(stream: BinaryIO) -> bytes:
    """What the file's moov box holds; empty where there is none."""
    end = stream.seek(0, 2)
    place = 0
    for _ in range(_MOST_BOXES):
        if place + 8 > end:
            break
        stream.seek(place)
        head = stream.read(16)
        size, kind = struct.unpack(">I4s", head[:8])
        start = 8
        if size == 1 and len(head) == 16:
            size, start = struct.unpack(">Q", head[8:])[0], 16
        elif size == 0:
            size = end - place
        if kind == b"moov":
            stream.seek(place + start)
            return stream.read(min(max(size - start, 0), _LARGEST))
        if size < start:
            break
        place += size
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind and the content of each box; ends where one is not whole."""
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[place : place + 8])
        if size < 8:
            return
        yield kind, data[place + 8 : place + size]
        place += size
