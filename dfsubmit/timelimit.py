"""Planning against the clock: how many frames the remaining files can still afford.

In: the time left, what is still to do, and the throughput measured so far. Out: for each file,
just before it is scanned, the number of frames to visit. Fewer frames come first; when even the
fewest for every file do not fit, the cheap files go first, so that as many as possible are scored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from dfsubmit.media import sniff
from dfsubmit.records import Kind, MediaFile

WRITING_SHARE, WRITING_SECONDS = 0.02, 1.0


class TimePlan:
    """The plan of one run with a time limit.

    Args:
        limit: seconds for the whole run, counted from `started`.
        frames: what the recipe asks of a video.
        min_frames: the fewest frames that a video is thinned to.
        started: on `clock`, when the run began (loading the model counts).
        clock: monotonic seconds.
    """

    def __init__(
        self,
        limit: float,
        frames: int,
        min_frames: int,
        started: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.frames = frames
        self.min_frames = min(min_frames, frames)
        self.clock = clock
        # The last rows have to be written before the limit, not at it.
        reserve = max(WRITING_SECONDS, limit * WRITING_SHARE)
        self.deadline = started + max(limit - reserve, 0.0)
        self.scoring_began = clock()
        self.frames_done = 0
        self.frames_in_hand: dict[str, int] = {}
        self.costs: dict[str, int] = {}

    def order(self, files: Iterable[MediaFile]) -> list[MediaFile]:
        """The files in the order in which to score them: images, then videos from small to large,
        so that a clock that is too short still leaves most files scored."""
        ordered = list(files)
        for file in ordered:
            self.costs[file.name] = 1 if _is_image(file) else self.frames
        return sorted(ordered, key=lambda file: (self.costs[file.name], file.size, file.name))

    def keep(self, file: MediaFile) -> int | None:
        """How many frames of the file to visit: None for all that the recipe asks."""
        cost = self.costs.pop(file.name, 1)
        allowed = self._affordable(cost)
        self.frames_in_hand[file.name] = min(cost, allowed)
        return None if allowed >= cost else allowed

    def done(self, file: MediaFile) -> None:
        """Note that a file is finished."""
        self.frames_done += self.frames_in_hand.pop(file.name, 0)

    def over(self) -> bool:
        """Whether it is time to stop and write."""
        return self.clock() >= self.deadline

    def _affordable(self, cost: int) -> int:
        """The frames for one video such that all remaining ones can have as many."""
        elapsed = self.clock() - self.scoring_began
        if cost == 1 or self.frames_done == 0 or elapsed <= 0:
            # Nothing is known yet. The fewest frames would waste the time that is there; all of
            # them, for as many files as there are workers, waste little.
            return cost
        affordable = (self.deadline - self.clock()) * self.frames_done / elapsed
        affordable -= sum(self.frames_in_hand.values())
        images = sum(1 for value in self.costs.values() if value == 1)
        videos = len(self.costs) - images + 1
        return min(cost, max(self.min_frames, int((affordable - images) / videos)))


def _is_image(file: MediaFile) -> bool:
    try:
        return sniff(file.path) is not Kind.VIDEO
    except OSError:
        return True  # unreadable: as cheap as an image
