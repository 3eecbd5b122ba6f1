"""Standard streams that cannot end a run: failed writes are dropped, or reported at the end."""

from __future__ import annotations

import functools
import io
import os
import select
import sys
from typing import Any, TextIO

STDERR_SECONDS = 1.0
_PIPE_BUFFER = getattr(select, "PIPE_BUF", 512)  # POSIX's smallest


def stderr() -> TextIO:
    """stderr for the project's own writing: what cannot be written is dropped.

    It may be closed, on a full disk, or a pipe whose reader has gone or does not read. Where
    somebody has put another stream in its place (a notebook, a test), it is that one.
    """
    if sys.stderr is None:  # closed when Python started; descriptor 2 may be any file by now
        return _nowhere()
    own = sys.__stderr__
    if own is not None and sys.stderr is own:
        return _standard(own.fileno(), own.encoding, STDERR_SECONDS)
    return sys.stderr


def guard_standard_streams() -> None:
    """Make `stderr` the process's own, for libraries and the interpreter's exit too, and let
    writing to stdout not fail at once: `output_error` says what was lost.

    For a process that is dfsubmit's own. Standard descriptors that are closed are opened on
    /dev/null, so that no file of the run takes their numbers and with them what C libraries print.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number
    sys.stderr = stderr()
    own = sys.__stdout__
    if own is not None and sys.stdout is own:
        sys.stdout = _standard(own.fileno(), own.encoding, None)


def output_error() -> OSError | None:
    """Why something that was written to a guarded stdout is lost; None when nothing is."""
    raw = getattr(sys.stdout, "buffer", None)
    return raw.error if isinstance(raw, _Unfailing) else None


@functools.cache
def _standard(descriptor: int, encoding: str, seconds: float | None) -> TextIO:
    # Nothing is buffered: what is left in a buffer fails once more when the interpreter exits.
    raw: Any = _Unfailing(descriptor, seconds)
    return io.TextIOWrapper(raw, encoding, "backslashreplace", write_through=True)


@functools.cache
def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


class _Unfailing(io.RawIOBase):
    """A descriptor that takes whatever is written, and drops what it cannot write.

    Args:
        descriptor: stays open when this is closed.
        seconds: to wait for a pipe's reader; None waits for as long as it takes.

    Attributes:
        error: why something was dropped, the last time.
    """

    def __init__(self, descriptor: int, seconds: float | None) -> None:
        self.error: OSError | None = None
        self._descriptor = descriptor
        self._patience = self._seconds = seconds

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Takes all of it."""
        size = len(data)
        rest = memoryview(data)
        try:
            while rest and self._has_room():
                # A pipe that has room for anything has it for so many bytes.
                rest = rest[os.write(self._descriptor, rest[:_PIPE_BUFFER]) :]
        except OSError as error:
            self.error = error
        return size

    def _has_room(self) -> bool:
        if not hasattr(select, "poll"):  # Windows, where pipes cannot be asked
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        room = bool(poll.poll(None if self._patience is None else self._patience * 1000))
        # Who has waited in vain once does not wait again until there was room.
        self._patience = self._seconds if room or self._seconds is None else 0.0
        return room
