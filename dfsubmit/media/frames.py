"""One video → upright RGB frames.

In: a video file and the numbers of the frames wanted. Out: `Frame`s, RGB uint8 (height, width, 3),
upright: rotation and mirroring metadata applied.

A video is decoded in one pass: every frame is grabbed, and only wanted frames are converted.
Seeking to each frame, as notebooks often do, decodes most of the video once per frame. Packets that
do not decode are skipped and counted; as in FFmpeg's own output, they have no frame number.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dfsubmit.media.limits import Limits
from dfsubmit.media.mirror import mirror_axis
from dfsubmit.media.selftest import check_opencv
from dfsubmit.records import Pixels

RETRIES = 1000
"""The number of packets in a row that may fail to decode. OpenCV does not distinguish a failed
packet from the end of the file; a thousand more attempts at the end take 1 to 20 ms."""


class Unreadable(Exception):
    """The file's content cannot be decoded; the message is one line for its row."""


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        index: its number in the file, from 0.
        time: seconds from the start of the file.
        pixels: RGB uint8 (height, width, 3).
        note: the damage of a picture that could still be read; empty if there is none.
    """

    index: int
    time: float
    pixels: Pixels
    note: str = ""


def check_size(width: float, height: float, limits: Limits) -> None:
    """
    Raises:
        Unreadable: a picture of this size exceeds the limits.
    """
    if width * height > limits.pixels:
        raise Unreadable(f"{width:.0f} x {height:.0f} pixels are over the limit of {limits.pixels}")


class Video:
    """A video file, decoded front to back as often as needed.

    Args:
        path: the file.
        limits: the resource limits.

    Attributes:
        frames: the number of frames by the container (0 if unknown), until the first pass has
            counted those that decode.
        counted: whether the first pass has counted them.
        lost: packets that did not decode in the first pass and are followed by other frames. Those
            at the very end of a file cannot be distinguished from its end.
        fps: frames per second; 0.0 if the container does not say.
        seekable: whether frames can be found by seeking, as far as known (see `seeking`).
        frame_bytes: the memory of one frame, by the container's header.

    Raises:
        Unreadable: it cannot be opened as a video, or is larger than the limits.
        NotInstalled: this OpenCV release decodes wrongly (see `selftest`).
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        check_opencv()
        self.path = path
        self.limits = limits
        capture = self.open()
        self._mirror = mirror_axis(path)
        try:
            count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
            fps = capture.get(cv2.CAP_PROP_FPS)
            width = capture.get(cv2.CAP_PROP_FRAME_WIDTH)
            height = capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        finally:
            capture.release()
        self.frames = int(count) if math.isfinite(count) and 0 < count < 2**31 else 0
        self.counted = False
        self.lost = 0
        self.fps = fps if math.isfinite(fps) and fps > 0 else 0.0
        self.seekable = 0 < self.frames <= limits.frames and self.fps > 0
        check_size(width, height, limits)
        self.frame_bytes = max(1, int(width * height * 3))

    def open(self) -> cv2.VideoCapture:
        """The file from its beginning; to be released by the caller.

        Raises:
            Unreadable: it cannot be opened.
        """
        # One decoding thread, because the workers already use all cores.
        with _utf8_name(self.path) as name:
            capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        if not capture.isOpened():
            capture.release()
            raise Unreadable("not a video that can be decoded")
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # OpenCV 4.11 does not rotate unless asked
        return capture

    def decode(self, wanted: Collection[int]) -> Iterator[Frame]:
        """Yield the wanted frames in order, in one pass over the file.

        The first pass reads to the end and counts the frames; later passes stop after the last
        wanted frame.

        Args:
            wanted: frame numbers. Numbers beyond the end are ignored.

        Raises:
            Unreadable: there are more or larger frames than the limits allow.
        """
        remaining = set(wanted)
        capture = self.open()
        index = failures = lost = 0
        try:
            while (remaining or not self.counted) and failures <= RETRIES:
                if not capture.grab():
                    failures += 1
                    continue
                lost += failures
                failures = 0
                if index in remaining:
                    remaining.discard(index)
                    frame = self.retrieve(capture, index)
                    if frame is not None:
                        yield frame
                index += 1
                if index + lost > self.limits.frames:
                    raise Unreadable(f"more than {self.limits.frames} frames")
        finally:
            capture.release()
        if not self.counted:
            self.seekable = self.seekable and index == self.frames
            self.frames, self.lost, self.counted = index, lost, True

    def retrieve(self, capture: cv2.VideoCapture, index: int) -> Frame | None:
        """The frame that was grabbed last, known to be number `index`; None if it is empty.

        Raises:
            Unreadable: it is larger than the limits.
        """
        decoded, pixels = capture.retrieve()
        if not decoded or pixels is None or not pixels.size:
            return None
        # A stream's frames may become larger than its header says.
        check_size(pixels.shape[1], pixels.shape[0], self.limits)
        upright = _bgr_to_rgb(pixels)
        if self._mirror is not None:
            upright = np.ascontiguousarray(np.flip(upright, self._mirror))
        return Frame(index, self._time(capture, index), upright)

    def count(self) -> int:
        """The number of frames that decode: a pass without converting any."""
        for _ in self.decode(()):
            pass
        return self.frames

    def _time(self, capture: cv2.VideoCapture, index: int) -> float:
        """The frame's time in seconds: the container's timestamp, else number over rate."""
        seconds = float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        if math.isfinite(seconds) and (seconds > 0 or index == 0):
            return max(seconds, 0.0)
        return index / self.fps if self.fps else float(index)


@contextmanager
def _utf8_name(path: Path) -> Iterator[str]:
    """A name for the file that OpenCV takes, valid while the context is open.

    Absolute, since FFmpeg reads a relative ``concat:x.mp4`` as a protocol; and by way of a
    descriptor where the name's bytes are not UTF-8, which OpenCV's binding refuses.
    """
    name = os.path.abspath(path)
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        yield name


def _bgr_to_rgb(pixels: Pixels) -> Pixels:
    code = cv2.COLOR_GRAY2RGB if pixels.ndim == 2 else cv2.COLOR_BGR2RGB
    rgb: Pixels = cv2.cvtColor(pixels, code)
    return rgb
