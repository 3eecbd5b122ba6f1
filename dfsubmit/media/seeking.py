"""Long videos: grab within a group of pictures, seek across groups, and know that it is exact.

One pass over a video (`Video.decode`) is linear in its length. Where the wanted frames lie far
apart, most of that is spent on groups of pictures that hold none of them. Seeking passes those
over, but it goes by time: it is the right frame only where frames are evenly spaced in time and
the container tells the truth about their number. So nothing is believed:

* the last frame must be where the container's count and rate say, and be the last;
* the first frame that is reached by seeking is reached by decoding as well, and must be the same to
  the bit (streams that refresh their pictures bit by bit decode otherwise after a seek);
* every frame must carry the time that its number implies.

Anything else raises `Misplaced`, and the video is decoded in one pass as ever. What cannot be seen
so is a frame missing in a group that is never visited, made up for by another one too many.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing

import cv2
import numpy as np

from dfsubmit.media.frames import Frame, Video

MIN_GAP = 100
"""Frames between two wanted ones, on average, from which seeking is tried: about three minutes of
video for 40 frames. Below, a pass is as quick (a seek decodes at least 16 frames, and on average
half a group of pictures, often 250 frames long)."""

_GAIN = 0.7  # a seek must promise to cost less than this share of decoding the gap
_TOLERANCE = 0.05  # of the time between two frames


class Misplaced(Exception):
    """Seeking would not give the frames that decoding gives."""


def worth_seeking(video: Video, wanted: Collection[int]) -> bool:
    """Whether the frames lie so far apart that seeking may pay."""
    return (
        len(wanted) > 1
        and video.fps > 0
        and max(wanted) < video.claimed_frames <= video.limits.frames
        and video.claimed_frames / len(wanted) >= MIN_GAP
    )


def decode_by_seeking(
    video: Video, wanted: Collection[int], on_end: Callable[[int], None] | None = None
) -> Iterator[Frame]:
    """Yield the wanted frames in order; arguments as in `Video.decode`.

    Args:
        on_end: called with the number of frames once the last one has been seen to be the last.

    Raises:
        Misplaced: what was yielded so far is to be thrown away; decode in one pass instead.
        Unreadable: a frame is larger than the limits allow.
    """
    _check_end(video)
    order = sorted(wanted)
    with closing(_Reader(video)) as reader:
        # The first gap by decoding, for its time and for the frame to compare with.
        first = reader.grab(order[0])
        yield first
        started = time.perf_counter()
        second = reader.grab(order[1])
        grab_seconds = (time.perf_counter() - started) / (order[1] - order[0])
        with closing(_Reader(video)) as other:
            started = time.perf_counter()
            again = other.seek(order[1])
            seek_seconds = time.perf_counter() - started
        if not np.array_equal(second.pixels, again.pixels):
            raise Misplaced("a frame differs after a seek")
        yield second
        for before, index in itertools.pairwise(order[1:]):
            started = time.perf_counter()
            if seek_seconds < _GAIN * grab_seconds * (index - before):
                frame = reader.seek(index)
                # Groups differ in length: the last few seeks say what the next will cost.
                seek_seconds = (seek_seconds + time.perf_counter() - started) / 2
            else:
                frame = reader.grab(index)
            yield frame
    if on_end is not None:
        on_end(video.claimed_frames)


def _check_end(video: Video) -> None:
    """The last frame is where the container says, and is the last.

    Raises:
        Misplaced: it is not.
    """
    with closing(_Reader(video)) as reader:
        reader.seek(video.claimed_frames - 1)
        if reader.capture.grab():
            raise Misplaced("there are more frames than the container says")


class _Reader:
    """A position in a video; gives frames by decoding up to them, or by seeking."""

    def __init__(self, video: Video) -> None:
        self.video = video
        self.capture = video.open()
        self.position = -1  # the frame grabbed last

    def close(self) -> None:
        self.capture.release()

    def grab(self, index: int) -> Frame:
        """The frame, by decoding all that lie before it."""
        while self.position < index:
            if not self.capture.grab():
                raise Misplaced(f"frame {self.position + 1} does not decode")
            self.position += 1
        return self._retrieve(index)

    def seek(self, index: int) -> Frame:
        """The frame, by way of the key frame before it."""
        if not self.capture.set(cv2.CAP_PROP_POS_FRAMES, index) or not self.capture.grab():
            raise Misplaced(f"frame {index} cannot be sought")
        self.position = index
        return self._retrieve(index)

    def _retrieve(self, index: int) -> Frame:
        seconds = float(self.capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        number = seconds * self.video.fps
        if not math.isfinite(number) or abs(number - index) > _TOLERANCE:
            raise Misplaced(f"frame {index} lies at {seconds:.3f} s")
        frame = self.video.retrieve(self.capture, index)
        if frame is None:
            raise Misplaced(f"frame {index} does not decode")
        return frame
