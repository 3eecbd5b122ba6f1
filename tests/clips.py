"""Small videos made for tests, whole and damaged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def make_video(path: Path, count: int, size: tuple[int, int] = (64, 48)) -> Path:
    """A video whose frame n has the brightness n (modulo 200)."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, size)
    for number in range(count):
        writer.write(np.full((size[1], size[0], 3), number % 200, np.uint8))
    writer.release()
    return path


def damage(path: Path, which: range) -> Path:
    """Blank the packets of these frames of a Motion JPEG file."""
    data = bytearray(path.read_bytes())
    place = data.index(b"movi")
    for number in range(which.stop):
        place = data.index(b"00dc", place) + 8
        size = int.from_bytes(data[place - 4 : place], "little")
        if number in which:
            data[place : place + size] = bytes(size)
    path.write_bytes(data)
    return path
