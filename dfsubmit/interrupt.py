"""Ctrl-C and SIGTERM: stop within two seconds, with everything known written.

Between batches the engine asks `Interrupt.requested`. A forward pass may take longer than the two
seconds, so during one, and only then, the signal raises `Interrupted` at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, TypeVar

Answer = TypeVar("Answer")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """Raised inside a forward pass by a signal; no `except Exception` may swallow it."""


class Interrupt:
    """A context in which the two signals ask for a stop. Outside the main thread, where Python
    delivers no signals, it does nothing."""

    def __init__(self) -> None:
        self.requested = False
        self._guarded = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def guard(self, function: Callable[..., Answer]) -> Callable[..., Answer]:
        """The function, such that a signal breaks off a call of it."""

        def guarded(*arguments: Any) -> Answer:
            self._guarded = True
            try:
                return function(*arguments)
            finally:
                self._guarded = False

        return guarded

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if self._guarded:
            self._guarded = False
            raise Interrupted
