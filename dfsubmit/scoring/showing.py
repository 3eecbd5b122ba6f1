"""What a run shows of itself: the files in hand, frames per second, and the share that is done.

In: what the executor has in hand, looked at once a second from another thread. Out: what
`dfsubmit.console.Progress` shows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from dfsubmit.console import first_few
from dfsubmit.hooks.execution import InHand
from dfsubmit.media.listing import VIDEO_SUFFIXES
from dfsubmit.records import MediaFile

_NAMES = 2
# Frames per second are those of so many ticks.
_TICKS = 10


class RunView:
    """The state of a run in words.

    Args:
        files: those that this run scores.
        frames: the recipe's number of frames of a video.
        look: what is in hand now (`Scorer.progress`).

    Attributes:
        failed: how many files failed.
    """

    def __init__(self, files: Sequence[MediaFile], frames: int, look: Callable[[], InHand]) -> None:
        self._look = look
        self.failed = 0
        self._expected = {file.name: _expected(file, frames) for file in files}
        self._total = sum(self._expected.values())
        self._finished = 0
        self._history = deque([(time.monotonic(), 0)], _TICKS)

    def done(self, file: MediaFile, failed: bool) -> None:
        """A file is finished."""
        self._finished += self._expected[file.name]
        self.failed += failed

    def __call__(self) -> tuple[float | None, str]:
        """The share of the work that is done, by frames, and the line below the bar."""
        looked = self._look()
        in_hand = looked.files
        parts = sum(min(count, self._expected[name]) for name, count in in_hand.items())
        now, frames = time.monotonic(), looked.frames
        then, before = self._history[0]
        self._history.append((now, frames))
        words = [f"{(frames - before) / (now - then):.1f} frames/s"] if frames > before else []
        if looked.words:
            words.append(looked.words)
        if self.failed:
            words.append(f"{self.failed} failed")
        if in_hand:
            words.append(f"in hand: {first_few(sorted(in_hand), _NAMES)}")
        return (self._finished + parts) / max(self._total, 1), ", ".join(words)


def _expected(file: MediaFile, frames: int) -> int:
    return frames if file.path.suffix.lower() in VIDEO_SUFFIXES else 1
