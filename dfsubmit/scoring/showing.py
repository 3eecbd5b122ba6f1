"""The progress display of a run: files in progress, frames per second, and the share done.

In: the executor's progress, read once per second from another thread. Out: the text that
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
# Frames per second are averaged over this many ticks.
_TICKS = 10


class RunView:
    """The state of a run as text.

    Args:
        files: the files that this run scores.
        frames: the recipe's number of frames per video.
        look: returns the current progress (`Scorer.progress`).

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
        """Record a finished file."""
        self._finished += self._expected[file.name]
        self.failed += failed

    def __call__(self) -> tuple[float | None, str]:
        """The share of the work done, by frames, and the line below the bar."""
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
