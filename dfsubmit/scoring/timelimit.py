"""Planning against the clock: how many frames the remaining files can still afford.

In: the time left, what is still to do, and the throughput measured so far. Out: for each file,
just before it is scanned, the number of frames to visit. Fewer frames come first; when even the
fewest for every file do not fit, the cheap files go first, so that as many as possible are scored.

Two threads ask it. The one that runs the model notes what is finished and computes one number, the
frames that each video can have; the one that feeds the workers reads that number.
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
    """When to stop scoring: before the limit by what writing the last rows takes at most.

    Args:
        limit: seconds for the whole run.
        started: when it began.
    """
    return started + max(limit - max(WRITING_SECONDS, limit * WRITING_SHARE), 0.0)


@dataclass
class _Work:
    """An amount of work: a video is decoded whole, whatever number of its frames is looked at."""

    decoded_bytes: float = 0.0
    frames: float = 0.0

    def add(self, other: _Work, times: float = 1.0) -> None:
        self.decoded_bytes += times * other.decoded_bytes
        self.frames += times * other.frames


class TimePlan:
    """The plan of one run with a time limit.

    Args:
        end: on `clock`, when scoring has to stop (see `deadline`).
        frames: what the recipe asks of a video.
        min_frames: the fewest frames that a video is thinned to.
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
        # Of the feeder's thread: what it has handed over. The queue carries that to the other one.
        self._asked: set[str] = set()
        self._handed_over: deque[tuple[MediaFile, int]] = deque()
        # Of the thread that runs the model.
        self._began = 0.0
        self._videos_waiting = 0
        self._waiting = _Work()
        self._in_hand: dict[str, _Work] = {}
        self._done = _Work()
        self._decode_seconds = 0.0
        self._frame_seconds = 0.0

    def order(self, files: Iterable[MediaFile]) -> list[MediaFile]:
        """The files in the order in which to score them: images, then videos from small to large,
        so that a clock that is too short still leaves most files scored.

        What a file is, its suffix says: to look into it is a worker's business, for on a disk that
        does not answer whoever looks does not come back. `done` puts a wrong suffix right.
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
        """How many frames of the file to visit, if it is a video: None for all that the recipe
        asks."""
        if file.name in self._asked:  # tried again after its worker was killed
            return None
        self._asked.add(file.name)
        frames = self._each
        self._handed_over.append((file, frames))
        return frames if frames < self.frames else None

    def done(self, file: MediaFile, seconds: Mapping[str, float], kind: Kind = Kind.OTHER) -> None:
        """Note that a file is finished, the seconds by stage that it took, and what it was."""
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
        """Compute anew how many frames each video can have; asked by the thread that calls `done`,
        now and then."""
        self._note_handed_over()
        self._each = self._affordable()

    def over(self) -> bool:
        """Whether it is time to stop and write."""
        return self.clock() >= self.end

    def _note_handed_over(self) -> None:
        """Files that the feeder handed over are in hand and no longer waiting."""
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
        """The frames for one video such that all remaining ones can have as many."""
        began, now = self._began, self.clock()
        if not self._videos_waiting:
            return self._each
        if now <= began or not self._done.decoded_bytes or not self._frame_seconds:
            # No video is known yet. The fewest frames would waste the time that is there; all of
            # them, for as many files as there are workers, waste little.
            return self.frames
        # Files in hand are taken to be half done.
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
