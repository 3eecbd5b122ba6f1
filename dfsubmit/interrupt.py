"""Ctrl-C, SIGTERM and the time limit: stop within two seconds, and write all results so far.

Between batches the engine checks `Interrupt.requested`. A forward pass, or loading the model, may
take longer than two seconds; only during these the signal raises `Interrupted` at once. The end of
a time limit does the same with an alarm.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, TypeVar

Answer = TypeVar("Answer")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
ALARM_AGAIN_SECONDS = 0.2


class Interrupted(BaseException):
    """Raised inside a guarded call by a signal; no `except Exception` may swallow it."""


class Interrupt:
    """A context in which the signals request a stop. Outside the main thread, where Python
    delivers no signals, it does nothing.

    Args:
        end: when guarded calls are interrupted, on `time.monotonic`; None for never.

    Attributes:
        requested: whether a signal requested a stop (the time limit does not set it).
    """

    def __init__(self, end: float | None = None) -> None:
        self.requested = False
        self._end = end
        self._guarded = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._handle)
            if self._end is not None:
                # Again and again, for the first may come between two guarded calls.
                delay = max(self._end - time.monotonic(), ALARM_AGAIN_SECONDS)
                signal.setitimer(signal.ITIMER_REAL, delay, ALARM_AGAIN_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._before and self._end is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def guard(self, function: Callable[..., Answer]) -> Callable[..., Answer]:
        """Wrap a function, so that a signal interrupts a call of it."""

        def guarded(*arguments: Any) -> Answer:
            self._guarded = True
            try:
                return function(*arguments)
            finally:
                self._guarded = False

        return guarded

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGALRM:
            self.requested = True
        if self._guarded:
            self._guarded = False
            raise Interrupted
