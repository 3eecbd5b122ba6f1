"""Messages on stderr: verbosity (``-v``, ``-q``), and a copy in a file (``--log``)."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

from dfsubmit.console.streams import stderr
from dfsubmit.console.text import printable_text


@dataclass
class Verbosity:
    """The verbosity and the log of this process.

    Attributes:
        verbose: also show measurements.
        quiet: show only warnings and errors.
        log: receives a copy of all messages; None for no log.
    """

    verbose: bool = False
    quiet: bool = False
    log: TextIO | None = None


VERBOSITY = Verbosity()
"""This process's."""

_HEARD = ("warning:", "error:", "  hint:")


def say(message: str) -> None:
    """Say something on stderr, `printable_text`, above a bar that is shown.

    Under ``-q`` warnings and errors only. click.echo would write into the bar: it looks for the
    stream below rich's.
    """
    text = printable_text(message)
    note(text)
    if not VERBOSITY.quiet or text.startswith(_HEARD):
        print(_coloured(text), file=stderr())


def warn(message: str) -> None:
    """Write a warning to stderr."""
    say(f"warning: {message}")


def note(text: str) -> None:
    """Write into the log, if there is one; a log that cannot be written ends nothing."""
    if VERBOSITY.log is not None:
        with contextlib.suppress(OSError):
            VERBOSITY.log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {text}\n")
            VERBOSITY.log.flush()


def start_log(path: str) -> None:
    """Add all that is said from now on to a file.

    Raises:
        OSError: it cannot be written.
    """
    VERBOSITY.log = open(path, "a", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115


def reset_verbosity() -> None:
    """As when the process began: neither verbose nor quiet, and no log."""
    if VERBOSITY.log is not None:
        with contextlib.suppress(OSError):
            VERBOSITY.log.close()
    VERBOSITY.verbose, VERBOSITY.quiet, VERBOSITY.log = False, False, None


def _coloured(text: str) -> str:
    """With its first word in colour, where stderr is a terminal that has colours."""
    stream = stderr()
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    for word, colour in (("error:", "1;31"), ("warning:", "33"), ("next:", "1")):
        if text.startswith(word):
            return f"\x1b[{colour}m{word}\x1b[0m{text.removeprefix(word)}"
    return text
