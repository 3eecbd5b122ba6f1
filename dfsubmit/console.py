"""What people read: escaped names, plain tables, and standard streams that cannot end a run."""

from __future__ import annotations

import functools
import io
import os
import select
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

STDERR_SECONDS = 1.0
_PIPE_BUFFER = getattr(select, "PIPE_BUF", 512)  # POSIX's smallest


def printable(name: str) -> str:
    """A file name that cannot move the cursor or break a line: what is not printable (control
    characters, undecodable bytes) is shown as a backslash escape."""
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode("ascii")
        for mark in name
    )


def printable_text(text: str) -> str:
    """`printable` for a text of several lines: its line feeds stay."""
    return "\n".join(printable(line) for line in text.split("\n"))


def first_few(
    items: Iterable[str], count: int = 5, separator: str = ", ", others: str = "and {} more"
) -> str:
    """The first of many names for a message, `printable`, and how many others there are.

    Args:
        items: what to name.
        count: how many of them to show.
        separator: between them.
        others: stands for the rest; {} is their number.
    """
    names = [printable(item) for item in items]
    rest = len(names) - count
    return separator.join([*names[:count], others.format(rest)] if rest > 0 else names)


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    indent: str = "",
    rule: bool = True,
) -> str:
    """Aligned columns for a terminal: figures to the right, the first column and words to the left.

    Args:
        header: the columns' names; empty for none.
        rows: of as many cells each, which are made `printable`.
        indent: what every line begins with.
        rule: draw a line under the header.
    """
    body = [[printable(str(cell)) for cell in row] for row in rows]
    lines = [list(header), *body] if header else list(body)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    # A figure is a number, an interval, "undefined" or nothing.
    right = [
        place > 0 and all(row[place][:1] in "+-0123456789[u" for row in body)
        for place in range(len(widths))
    ]
    if header and rule:
        lines.insert(1, ["-" * width for width in widths])
    fitted = (
        "  ".join(
            cell.rjust(width) if figure else cell.ljust(width)
            for cell, width, figure in zip(line, widths, right, strict=True)
        )
        for line in lines
    )
    return "\n".join((indent + line).rstrip() for line in fitted)


def duration(seconds: float) -> str:
    """ "8.4 s", "3 min 5 s" or "2 h 10 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def progress_bar(total: int, unit: str, shown: bool = True, done: int = 0) -> Any:
    """A tqdm bar on stderr; a silent one when not `shown`.

    Args:
        total: how many units there are.
        unit: their name in the plural ("files").
        shown: whether to show it.
        done: how many of them are done already.
    """
    from tqdm import tqdm

    return tqdm(
        total=total, initial=done, unit=f" {unit}", disable=not shown, file=stderr(), delay=1
    )


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


def warn(message: str) -> None:
    """Say on stderr what does not stop the work."""
    print(f"warning: {printable_text(message)}", file=stderr())


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
