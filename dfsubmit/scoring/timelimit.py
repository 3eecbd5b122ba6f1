"""The time limit: how many frames of each remaining file can be scored in the time left.

In: the time left, the remaining work, and the throughput measured so far. Out: for each file, just
before it is scanned, the number of frames to visit. First the number of frames is reduced. If even
the minimum for every file takes too long, cheap files go first, so that most files are scored.

Two threads use it. The thread that runs the model records finished files and computes the number of
frames per video; the thread that feeds the workers reads this number.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dfsubmit.media.listing import VIDEO_SUFFIXES
from dfsubmit.records import Kind, MediaFile

WRITING_SHARE, WRITING_SECONDS = 0.02, 2.0


def deadline(limit: float, started: float) -> float:
    """When to stop scoring: the limit, less the time needed at most to write the last rows.

    Args:
        limit: seconds for the whole run.
        started: when it began.
    """
    return started + max(limit - max(WRITING_SECONDS, limit * WRITING_SHARE), 0.0)


@dataclass
class _Work:
    """An amount of work; a video is decoded completely, however many of its frames are visited."""

    decoded_bytes: float = 0.0
    frames: float = 0.0

    def add(self, other: _Work, times: float = 1.0) -> None:
        self.decoded_bytes += times * other.decoded_bytes
        self.frames += times * other.frames


class TimePlan:
    """The plan of one run with a time limit.

    Args:
        end: on `clock`, when scoring has to stop (see `deadline`).
        frames: the recipe's number of frames per video.
        min_frames: the minimum number of frames per video.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        end: float,
        frames: int,
        min_frames: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.end = end
        self.frames = frames
        self.min_frames = min(min_frames, frames)
        self.clock = clock
        self._each = frames
        self._videos: set[str] = set()
        # Used by the feeder thread: what it has handed over; the queue passes it to the other.
        self._asked: set[str] = set()
        self._handed_over: deque[tuple[MediaFile, int]] = deque()
        # Used by the thread that runs the model.
        self._began = 0.0
        self._videos_waiting = 0
        self._waiting = _Work()
        self._in_hand: dict[str, _Work] = {}
        self._done = _Work()
        self._decode_seconds = 0.0
        self._frame_seconds = 0.0

    def order(self, files: Iterable[MediaFile]) -> list[MediaFile]:
        """The files in scoring order: images, then videos by size, so that most files are scored
        even if the time is too short.

        The suffix decides what a file is. Only workers open files, because reading from a disk that
        does not respond never returns. `done` corrects a wrong suffix.
        """
        images: list[MediaFile] = []
        videos: list[MediaFile] = []
        for file in files:
            is_video = file.path.suffix.lower() in VIDEO_SUFFIXES
            (videos if is_video else images).append(file)
        self._videos = {file.name for file in videos}
        self._videos_waiting = len(videos)
        self._waiting = _Work(sum(max(file.size, 0) for file in videos), len(images))
        self._began = self.clock()
        return [
            *sorted(images, key=lambda file: (file.size, file.name)),
            *sorted(videos, key=lambda file: (file.size, file.name)),
        ]

    def keep(self, file: MediaFile) -> int | None:
        """How many frames of the file to visit, if it is a video; None for the recipe's number."""
        if file.name in self._asked:  # tried again after its worker was killed
            return None
        self._asked.add(file.name)
        frames = self._each
        self._handed_over.append((file, frames))
        return frames if frames < self.frames else None

    def done(self, file: MediaFile, seconds: Mapping[str, float], kind: Kind = Kind.OTHER) -> None:
        """Record a finished file, its seconds per stage, and whether it was a video."""
        self._note_handed_over()
        work = self._in_hand.pop(file.name, _Work())
        video = file.name in self._videos
        if kind is Kind.VIDEO and not video:
            video, work = True, _Work(max(file.size, 0), self._each)
        elif kind is Kind.IMAGE and video:
            video, work = False, _Work(0, 1)
        self._done.add(work)
        for stage, value in seconds.items():
            if stage == "decode" and video:
                self._decode_seconds += value
            else:
                self._frame_seconds += value
        self.update()

    def update(self) -> None:
        """Recompute the number of frames per video; called from time to time by the thread that
        calls `done`."""
        self._note_handed_over()
        self._each = self._affordable()

    def over(self) -> bool:
        """Whether it is time to stop scoring and write the outputs."""
        return self.clock() >= self.end

    def _note_handed_over(self) -> None:
        """Move the files that the feeder handed over from waiting to in progress."""
        while self._handed_over:
            file, frames = self._handed_over.popleft()
            if file.name in self._videos:
                self._in_hand[file.name] = _Work(max(file.size, 0), frames)
                self._waiting.add(_Work(max(file.size, 0)), -1)
                self._videos_waiting -= 1
            else:
                self._in_hand[file.name] = _Work(0, 1)
                self._waiting.add(_Work(0, 1), -1)

    def _affordable(self) -> int:
        """The number of frames per video that all remaining videos can have."""
        began, now = self._began, self.clock()
        if not self._videos_waiting:
            return self._each
        if now <= began or not self._done.decoded_bytes or not self._frame_seconds:
            # No video is measured yet. The minimum would waste available time; all frames for as
            # many files as there are workers cost little.
            return self.frames
        # Files in progress are assumed to be half done.
        done, left = _Work(), _Work()
        done.add(self._done)
        left.add(self._waiting)
        for work in self._in_hand.values():
            done.add(work, 0.5)
            left.add(work, 0.5)
        decoding = self._decode_seconds / (self._decode_seconds + self._frame_seconds)
        seconds_a_byte = (now - began) * decoding / done.decoded_bytes
        seconds_a_frame = (now - began) * (1 - decoding) / done.frames
        seconds = self.end - now - left.decoded_bytes * seconds_a_byte
        frames = seconds / seconds_a_frame - left.frames
        return min(self.frames, max(self.min_frames, int(frames / self._videos_waiting)))
