"""Long videos: seek to the wanted frames, and check that they are the frames that decoding gives.

One pass over a video (`Video.decode`) is linear in its length. If the wanted frames are far apart,
most of the time goes into groups of pictures that contain none of them. Seeking skips these groups.
The file itself decides whether to seek:

* its packets are read before anything is decoded (`packets.py`; microseconds per packet). They give
  the time of every frame and the start of every group. A damaged packet ends the attempt;
* every decoded frame must have the next of these times, and a frame reached by seeking its own
  time. This shows that no frame is missing, including the last one;
* the first frame reached by seeking is also reached by decoding, and must be identical (streams
  with gradual refresh decode differently after a seek).

Otherwise the video is decoded in one pass. Intact files give the same frames both ways. In damaged
files, damage behind the first bytes of a slice is not detected: if it loses a frame in a group that
is never visited, later frame numbers shift by one, and holes in a frame of the same group may be
filled differently.

Nothing here depends on a clock: the same file gives the same frames on a busy machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing

import cv2
import numpy as np

from dfsubmit.media.frames import Frame, Video
from dfsubmit.media.packets import AHEAD, Packets, read_packets

MIN_GAP = 100
"""The minimum average distance of wanted frames, in frames, for seeking: about two minutes of
video for 40 frames."""

_BACK = (0, 16, 64, 256, 1024)
"""Frames by which the aim is moved back, until a seek lands before the wanted one: OpenCV counts
frames by their average rate."""


class _Misplaced(Exception):
    """Seeking does not give the same frames as decoding."""


def decode(video: Video, wanted: Collection[int]) -> Iterator[Frame]:
    """Like `Video.decode`, but seeks if that is faster and gives the same frames.

    If the packets show another number of frames than the container, `video.frames` is corrected and
    no frame is yielded: call again. If seeking turns out later not to give the same frames, all
    frames are yielded again, by decoding, from the first one. Of a frame that occurs twice, the
    second is correct.
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
    """The frames in order, each checked against its number."""
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
