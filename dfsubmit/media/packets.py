"""A long video → the time of each frame, and where decoding can begin, from its packets and
without decoding.

Only for H.264 and HEVC in MP4 and Matroska, whose packets can be checked: the unit lengths in a
packet must add up (OpenCV's own reader checks this), and its first slice must have a valid header.
A packet that fails either check would lose its frame, which shifts all later frame numbers.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import cv2

from dfsubmit.media.frames import RETRIES, Video

AHEAD = 16
"""OpenCV searches a key frame this many frames before the requested one."""

_CONTAINERS = re.compile(rb".{4}ftyp|\x1aE\xdf\xa3", re.DOTALL)
_H264 = frozenset(("h264", "avc1"))
_HEVC = frozenset(("hevc", "hev1", "hvc1"))
_RARE = 3
"""A picture parameter set used by fewer packets is treated as damage."""


@dataclass(frozen=True)
class Packets:
    """The information from the packets.

    Attributes:
        times: of every frame, in its order of presentation, in milliseconds.
        keys: the numbers of the frames at which decoding can begin.
    """

    times: list[float]
    keys: list[int]

    def start(self, index: int) -> int:
        """The key frame at which decoding begins for this frame.

        The one before the last that OpenCV could begin at: decoders fill the holes of a damaged
        picture from the one before it, also in a key frame, so that has to be there.
        """
        before = bisect_right(self.keys, index - AHEAD)
        return self.keys[before - 2] if before > 1 else 0


def read_packets(video: Video) -> Packets | None:
    """The packets of a video; None if they do not cover every frame, or one is damaged."""
    with video.path.open("rb") as stream:
        if not _CONTAINERS.match(stream.read(8)):
            return None
    times: list[float] = []
    keys: list[float] = []
    sets: Counter[int] = Counter()
    with closing(_Raw(video)) as raw:
        for data in raw.packets():
            parameters = None if data is None else _first_slice(data, raw.codec)
            if parameters is None or len(times) > video.limits.frames:
                return None
            sets[parameters] += 1
            times.append(raw.capture.get(cv2.CAP_PROP_POS_MSEC))
            if raw.capture.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME):
                keys.append(times[-1])
    times.sort()
    numbers = {time: number for number, time in enumerate(times)}
    # OpenCV 4.9 and older give no times here.
    if not times or len(numbers) < len(times) or min(sets.values()) < _RARE:
        return None
    return Packets(times, sorted(numbers[time] for time in keys))


class _Raw:
    """A video opened for its packets."""

    def __init__(self, video: Video) -> None:
        self.capture = video.open()
        code = int(self.capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        self.codec = code.to_bytes(4, "little").decode("ascii", "replace").lower()

    def close(self) -> None:
        self.capture.release()

    def packets(self) -> Iterator[bytes | None]:
        """Each packet's bytes, in Annex B; None for one that is not what its container says."""
        if self.codec not in _H264 | _HEVC:
            return
        self.capture.set(cv2.CAP_PROP_FORMAT, -1)
        failures = 0
        while failures <= RETRIES:
            if not self.capture.grab():
                failures += 1
                continue
            if failures:
                yield None
            failures = 0
            given, data = self.capture.retrieve()
            yield data.tobytes() if given and data is not None else None


def _first_slice(data: bytes, codec: str) -> int | None:
    """The picture parameter set of the packet's first slice; None where that is no slice.

    ITU-T H.264, 7.3.1 and 7.3.3; H.265, 7.3.1.2 and 7.3.6.1.
    """
    place = 0
    while (place := data.find(b"\0\0\1", place) + 3) > 2 and place < len(data):
        head = data[place]
        if head & 0x80:  # forbidden_zero_bit
            return None
        if codec in _H264:
            kind, payload = head & 31, place + 1
            slices, refused = kind in (1, 5), not 1 <= kind <= 12 or (kind == 5 and not head & 0x60)
        else:
            kind, payload = head >> 1 & 63, place + 2
            slices, refused = kind < 32, kind > 40 or 9 < kind < 16 or 21 < kind < 32
        if refused:
            return None
        if slices:
            return _parameters(data[payload : payload + 8].ljust(8, b"\0"), codec, 16 <= kind <= 23)
    return None


def _parameters(header: bytes, codec: str, random_access: bool) -> int | None:
    bits = f"{int.from_bytes(header, 'big'):064b}"
    if bits[0] != "1":  # first_mb_in_slice is 0; first_slice_segment_in_pic_flag
        return None
    place = 1
    if codec in _H264:
        slice_type, place = _exp_golomb(bits, place)
        if slice_type > 9:
            return None
    elif random_access:
        place += 1  # no_output_of_prior_pics_flag
    parameters, _ = _exp_golomb(bits, place)
    return parameters if parameters < (256 if codec in _H264 else 64) else None


def _exp_golomb(bits: str, place: int) -> tuple[int, int]:
    """An unsigned number of the kind ue(v), and the place behind it."""
    zeros = len(bits[place:]) - len(bits[place:].lstrip("0"))
    end = place + 2 * zeros + 1
    return int(bits[place:end] or "1", 2) - 1, end
