"""Progress on stderr: a bar that ticks every second in a terminal, plain lines elsewhere.

A separate thread draws it, so that it is updated during long steps of the caller. Only one is shown
at a time: a new one replaces the previous one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from dfsubmit.console.messages import VERBOSITY, say
from dfsubmit.console.streams import stderr
from dfsubmit.console.text import duration, printable

TICK_SECONDS = 1.0
# Without a terminal: a line after PLAIN_SECONDS, then at growing intervals.
PLAIN_SECONDS, PLAIN_GROWTH, PLAIN_LONGEST = 10.0, 0.1, 300.0
_SHORTEST_BAR, _LONGEST_BAR = 5, 40


class Progress:
    """The current activity, the share done, and the estimated remaining time.

    Args:
        total: how many units there are; None where that is not known: seconds are counted then.
        name: of the units in the plural ("files"), or of the work where there is no `total`.
        shown: whether to show anything.
        done: how many units were done before.
        describe: asked at each tick, in another thread, for the share that is done, 0 to 1 (None:
            by the units), and for a second line ("" for none).

    As a context it ends with what has taken its place meanwhile.

    Attributes:
        n: how many units are done.
        note: the second line where there is no `describe`.
    """

    _current: Progress | None = None

    def __init__(
        self,
        total: int | None,
        name: str,
        shown: bool = True,
        done: int = 0,
        describe: Callable[[], tuple[float | None, str]] | None = None,
    ) -> None:
        self.total, self.name, self.shown = total, name, shown and not VERBOSITY.quiet
        self.n = self._before = done
        self.note = ""
        self.describe = describe
        self._started = time.monotonic()
        self._next_line = PLAIN_SECONDS
        self._live: Any = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if not self.shown:
            return
        if Progress._current is not None:
            Progress._current.close()
        Progress._current = self
        if total is None:
            self._begin()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if Progress._current is not None:  # what has taken its place
            Progress._current.close()

    @property
    def running(self) -> bool:
        """Whether it is shown now."""
        return self._thread is not None

    def update(self, count: int = 1) -> None:
        """Record this many more finished units."""
        self.n += count

    def write(self, line: str) -> None:
        """A line above the bar."""
        say(line)

    def close(self) -> None:
        """Stop showing it; in a terminal the last state stays, unless there is no `total`."""
        if self._thread is None:
            return
        self._ended.set()
        self._thread.join()
        self._thread = None
        if Progress._current is self:
            Progress._current = None
        if self._live is not None:
            self._live.transient = self.total is None
            self._live.stop()

    def refresh(self) -> None:
        """Show the present state."""
        if self._live is None and _is_terminal():
            self._begin()
        if self._live is not None:
            self._live.update(self._drawn(), refresh=True)
        elif time.monotonic() - self._started >= self._next_line:
            seconds = time.monotonic() - self._started
            self._next_line = seconds + min(PLAIN_SECONDS + PLAIN_GROWTH * seconds, PLAIN_LONGEST)
            share, note = self._state()
            say("; ".join(filter(None, [self._line(share), note])))

    def _begin(self) -> None:
        """Draw it for the first time; without a terminal, say what begins."""
        if not _is_terminal():
            say(f"{self.name} …")
            self._next_line = float("inf")
            return
        from rich.console import Console
        from rich.live import Live

        console = Console(file=stderr(), force_jupyter=False, highlight=False)
        self._live = Live(self._drawn(), console=console, auto_refresh=False, redirect_stdout=False)
        self._live.start()
        console.show_cursor(True)  # who is killed leaves it as it is

    def _tick(self) -> None:
        while not self._ended.wait(TICK_SECONDS):
            self.refresh()

    def _state(self) -> tuple[float, str]:
        """The share that is done, and the second line."""
        share, note = self.describe() if self.describe else (None, self.note)
        new = (self.total or 0) - self._before
        if share is None:
            share = (self.n - self._before) / new if new > 0 else 1.0
        return min(share, 1.0), printable(note)

    def _line(self, share: float) -> str:
        seconds = time.monotonic() - self._started
        if self.total is None:
            return f"{self.name}, {seconds:.0f} s"
        words = f"{self.n}/{self.total} {self.name}"
        if self.n >= self.total or not 0 < share < 1:
            return words
        left = seconds * (1 - share) / share
        return f"{words}, about {f'{left:.0f} s' if left < 60 else duration(left)} left"

    def _drawn(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        share, note = self._state()
        words = Text(self._line(share), no_wrap=True, overflow="ellipsis")
        if self.total is None:
            return words
        line = Table.grid(padding=(0, 1))
        line.add_column(max_width=_LONGEST_BAR, min_width=_SHORTEST_BAR)
        line.add_column(no_wrap=True)
        whole = (
            (self._before + share * (self.total - self._before)) / self.total if self.total else 1
        )
        line.add_row(ProgressBar(total=1.0, completed=whole, width=_LONGEST_BAR // 2), words)
        if not note:
            return line
        return Group(line, Text(note, "dim", no_wrap=True, overflow="ellipsis"))


def progress_bar(
    total: int,
    unit: str,
    shown: bool = True,
    done: int = 0,
    describe: Callable[[], tuple[float | None, str]] | None = None,
) -> Progress:
    """A `Progress` of units; nothing of it is shown in its first second.

    Args:
        total: how many units there are.
        unit: their name in the plural ("files").
        shown: whether to show it.
        done: how many of them are done already.
        describe: see `Progress`.
    """
    return Progress(total, unit, shown, done, describe)


def activity(name: str, shown: bool = True) -> Progress:
    """A `Progress` of something that cannot be counted, said at once and timed."""
    return Progress(None, name, shown)


def _is_terminal() -> bool:
    return stderr().isatty() and os.environ.get("TERM") != "dumb"
