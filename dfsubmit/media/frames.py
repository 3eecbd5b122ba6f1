"""One file → upright RGB frames.

In: an image or video file and the numbers of the frames wanted. Out: `Frame`s, RGB uint8
(height, width, 3), upright (EXIF orientation and rotation metadata applied).

A video is decoded in one pass: every frame is grabbed, only wanted ones are converted. Seeking to
each frame, as notebooks do, decodes most of the video once for every frame. Packets that do not
decode are passed over and counted; frames are numbered without them, as FFmpeg's own output is.
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
from PIL import Image, ImageOps, UnidentifiedImageError

from dfsubmit.media.selftest import check_opencv
from dfsubmit.records import Limits, Pixels

# Pillow knows some 40 formats more; for one of them, EPS, it would run Ghostscript on the file.
_IMAGE_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "TIFF", "GIF", "PPM")
_STRIP_PIXELS = 2**18

RETRIES = 1000
"""So many packets in a row may fail to decode. OpenCV does not tell a packet that fails from the
end of the file; asking it a thousand times more at the end takes 1 to 20 ms."""


class Unreadable(Exception):
    """The file's content cannot be decoded; the message is one line for its row."""


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        index: its number in the file, from 0.
        time: seconds from the start of the file.
        pixels: RGB uint8 (height, width, 3).
    """

    index: int
    time: float
    pixels: Pixels


def read_image(path: Path, limits: Limits) -> Frame:
    """An image as its only frame.

    Greyscale, palette, RGBA and CMYK become RGB (transparency is dropped, not blended); 16-bit
    values are reduced to 8.

    Raises:
        Unreadable: it cannot be decoded, or is larger than the limits.
        OSError: it cannot be opened.
    """
    # Our own limit, below, names the file; Pillow's would only warn.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with path.open("rb") as stream, Image.open(stream, formats=_IMAGE_FORMATS) as picture:
            width, height = picture.size
            _check_size(width, height, limits)
            ImageOps.exif_transpose(picture, in_place=True)
            return Frame(0, 0.0, _to_rgb(picture))
    except UnidentifiedImageError as error:
        raise Unreadable("not an image that can be decoded") from error
    except (SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError) as error:
        # What Pillow's decoders raise on broken data, besides OSError.
        raise Unreadable(f"{type(error).__name__}: {error}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise Unreadable(str(error)) from error


def _check_size(width: float, height: float, limits: Limits) -> None:
    if width * height > limits.pixels:
        raise Unreadable(f"{width:.0f} x {height:.0f} pixels are over the limit of {limits.pixels}")


def _to_rgb(picture: Image.Image) -> Pixels:
    """RGB uint8 of a Pillow image of any mode.

    By strips: whole, what lies between takes up to eight times the result's memory.
    """
    width, height = picture.size
    rows = max(1, _STRIP_PIXELS // max(1, width))
    strips = [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
    wide = picture.mode.startswith(("I", "F"))
    # 16-bit values occupy 0 to 65535, whatever their maximum: 257 maps them onto 0 to 255.
    most = np.max([np.max(picture.crop(strip)) for strip in strips]) if wide else 0
    pixels = np.empty((height, width, 3), np.uint8)
    for strip in strips:
        part, target = picture.crop(strip), pixels[strip[1] : strip[3]]
        if wide:
            values = np.asarray(part, dtype=np.float64)
            grey = np.clip(np.rint(values / 257 if most > 255 else values), 0, 255)
            target[:] = grey.astype(np.uint8)[..., np.newaxis]
        else:
            if part.mode == "P" and "transparency" in part.info:
                part = part.convert("RGBA")
            target[:] = np.asarray(part.convert("RGB"))
    return pixels


class Video:
    """A video file, decoded front to back as often as needed.

    Args:
        path: the file.
        limits: what it may ask.

    Attributes:
        frames: how many frames there are: what the container claims (0 where it says nothing),
            until the first pass has counted those that decode.
        counted: whether it has.
        lost: packets that the first pass found not to decode, other frames coming after them. Those
            at the very end of a file cannot be told from its end.
        fps: frames a second; 0.0 where the container does not say.
        seekable: whether frames may be sought by their time, as far as is known (see `seeking`).
        frame_bytes: what one frame takes in memory, by the container's header.

    Raises:
        Unreadable: it cannot be opened as a video, or is larger than the limits.
        NotInstalled: this OpenCV gives wrong pictures.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        check_opencv()
        self.path = path
        self.limits = limits
        capture = self.open()
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
        _check_size(width, height, limits)
        self.frame_bytes = max(1, int(width * height * 3))

    def open(self) -> cv2.VideoCapture:
        """The file from its beginning; to be released by the caller.

        Raises:
            Unreadable: it cannot be opened.
        """
        # One decoding thread: the workers are the parallelism, and more threads would only fight.
        with _utf8_name(self.path) as name:
            capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        if not capture.isOpened():
            capture.release()
            raise Unreadable("not a video that can be decoded")
        return capture

    def decode(self, wanted: Collection[int]) -> Iterator[Frame]:
        """Yield the wanted frames in order, in one pass over the file.

        The first pass goes through to the end and counts the frames; a later one stops after the
        last wanted frame.

        Args:
            wanted: frame numbers. Numbers beyond the end are passed over.

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
        # A stream may grow behind a header that the limits let pass.
        _check_size(pixels.shape[1], pixels.shape[0], self.limits)
        return Frame(index, self._time(capture, index), _bgr_to_rgb(pixels))

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
