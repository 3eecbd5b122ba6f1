"""Long videos: seek to the wanted frames, and know that they are those that decoding gives.

One pass over a video (`Video.decode`) is linear in its length. Where the wanted frames lie far
apart, most of that is spent on groups of pictures that hold none of them. Seeking passes those
over. What the file says decides whether that is done, before anything is decoded:

* its packets are read (`packets.py`), which takes microseconds each, for the time of every frame,
  evenly spaced or not, and for where groups begin. One that looks damaged ends the attempt;
* every frame that is decoded must carry the next of these times, and a frame that is reached by
  seeking its own: no frame is missing, and the last one is the last;
* the first frame that is reached by seeking is reached by decoding as well, and must be the same to
  the bit (streams that refresh their pictures bit by bit decode otherwise after a seek).

Anything else, and the video is decoded in one pass as ever. Intact files give the same frames both
ways. In damaged ones, what is not seen so is a slice whose damage lies behind its first bytes: a
frame that it loses in a group that is never visited shifts the numbers behind it by one, and holes
may be filled otherwise in a frame in the same group.

Nothing here looks at a clock: the same file gives the same frames on a busy machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing

import cv2
import numpy as np

from dfsubmit.media.frames import Frame, Video
from dfsubmit.media.packets import AHEAD, Packets, read_packets

MIN_GAP = 100
"""Frames between two wanted ones, on average, from which seeking is thought of: about two minutes
of video for 40 frames."""

_BACK = (0, 16, 64, 256, 1024)
"""Frames by which the aim is moved back, until a seek lands before the wanted one: OpenCV counts
frames by their average rate."""


class _Misplaced(Exception):
    """Seeking would not give the frames that decoding gives."""


def decode(video: Video, wanted: Collection[int]) -> Iterator[Frame]:
    """As `Video.decode`, by seeking where that is quicker and gives the same frames.

    Where the packets show another number of frames than the container claims, `video.frames` is
    corrected and no frame comes: ask again. Where it turns out late that seeking does not give the
    same frames, all come again, by decoding, from the first one on: of a frame that comes twice the
    second is the true one.
    """
    if video.seekable and len(wanted) > 1 and video.frames >= MIN_GAP * len(wanted):
        packets = read_packets(video)
        if packets is not None and len(packets.times) != video.frames:
            video.frames = len(packets.times)
            return
        order = sorted(wanted)
        if packets is not None and _pays(packets, order):
            try:
                yield from _seek(video, packets, order)
            except _Misplaced:
                pass
            else:
                video.counted = True
                return
        video.seekable = False
    yield from video.decode(wanted)


def _pays(packets: Packets, order: list[int]) -> bool:
    """Whether seeking decodes less than half of the frames."""
    sought = sum(index - packets.start(index) for index in (*order[1:], len(packets.times) - 1))
    return order[1] + sought < len(packets.times) / 2


def _seek(video: Video, packets: Packets, order: list[int]) -> Iterator[Frame]:
    """The frames in order, each shown to be the one that its number says."""
    with closing(_Reader(video, packets)) as other:
        other.seek(len(packets.times) - 1)
        if other.capture.grab():
            raise _Misplaced
        with closing(_Reader(video, packets)) as reader:
            # The first gap by decoding, for a frame to compare with.
            yield reader.decode(order[0])
            second = reader.decode(order[1])
            if not np.array_equal(second.pixels, other.seek(order[1]).pixels):
                raise _Misplaced
            yield second
            for index in order[2:]:
                near = reader.position >= packets.start(index)
                yield reader.decode(index) if near else reader.seek(index)


class _Reader:
    """A position in a video; gives frames by decoding up to them, or by seeking."""

    def __init__(self, video: Video, packets: Packets) -> None:
        self.video = video
        self.packets = packets
        self.numbers = {time: number for number, time in enumerate(packets.times)}
        self.capture = video.open()
        self.position = -1  # the frame grabbed last

    def close(self) -> None:
        self.capture.release()

    def decode(self, index: int) -> Frame:
        """The frame, by decoding all that lie between."""
        while self.position < index:
            before = self.position
            if self._grab() != before + 1:
                raise _Misplaced
        frame = self.video.retrieve(self.capture, index)
        if frame is None:
            raise _Misplaced
        return frame

    def seek(self, index: int) -> Frame:
        """The frame, by way of a key frame before it."""
        start = self.packets.start(index)
        number = round(self.packets.times[start] / 1000 * self.video.fps) + (AHEAD if start else 0)
        for back in _BACK:
            if not self.capture.set(cv2.CAP_PROP_POS_FRAMES, max(number - back, 0)):
                raise _Misplaced
            if self._grab() <= index:
                return self.decode(index)
        raise _Misplaced

    def _grab(self) -> int:
        """The number of the next frame."""
        if not self.capture.grab():
            raise _Misplaced
        position = self.numbers.get(self.capture.get(cv2.CAP_PROP_POS_MSEC))
        if position is None:
            raise _Misplaced
        self.position = position
        return position
