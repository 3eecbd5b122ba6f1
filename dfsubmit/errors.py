"""Expected errors: what went wrong, what to do, and the exit code.

Everything the project raises on purpose is a `DfsubmitError`. The command line prints its message
and hint and exits with its code; a traceback appears only under ``--debug``.
"""

from __future__ import annotations

import difflib
import os
import sys
import traceback
from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILED_CHECK = 1
    USAGE = 2
    TOO_MANY_FAILURES = 3
    FALLBACK_USED = 4
    NOT_INSTALLED = 5
    INTERRUPTED = 130


class DfsubmitError(Exception):
    """An expected failure with a remedy.

    Args:
        message: what is wrong, naming the file or option.
        hint: what the user can do now; empty when the message says it all.
        exit_code: the process's exit code when this ends a command.
    """

    exit_code: int = Exit.FAILED_CHECK

    def __init__(self, message: str, hint: str = "", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(DfsubmitError):
    """An option, a path or a file given by the user is not usable (exit 2)."""

    exit_code = Exit.USAGE


class ModelError(DfsubmitError):
    """A model folder or zip cannot be loaded, or must not be (exit 2)."""

    exit_code = Exit.USAGE


class PluginError(DfsubmitError):
    """A plugin failed to load, under ``--strict`` (exit 2)."""

    exit_code = Exit.USAGE


class NotInstalled(DfsubmitError):
    """A package that this command needs is missing (exit 5)."""

    exit_code = Exit.NOT_INSTALLED

    @classmethod
    def extra(cls, command: str, extra: str, missing: str) -> NotInstalled:
        """The error for a missing optional dependency, with the pip line that cures it."""
        return cls(
            f"'{command}' needs the package {missing!r}, which is not installed.",
            f'pip install "dfsubmit[{extra}]"',
        )


class DeviceOutOfMemory(DfsubmitError):
    """A model ran out of device memory; the classifier retries with a smaller batch."""


def in_brief(error: BaseException, owner: object = None) -> str:
    """An exception of a plugin's code in one line: "ValueError: too few (rules.py, line 12)".

    Args:
        error: as it was caught.
        owner: a function or an object of the plugin, or the path of its file. The line is the last
            one in that file; where there is none, the one that raised.
    """
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, SyntaxError):  # says itself where
        return text
    if not isinstance(owner, str):
        module = sys.modules.get(getattr(owner, "__module__", None) or "")
        owner = getattr(module, "__file__", None) or ""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == os.path.abspath(owner)]
    named = [frame for frame in own or frames if not frame.filename.startswith("<")]
    if not named:
        return text
    return f"{text} ({os.path.basename(named[-1].filename)}, line {named[-1].lineno})"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest known names, or all of them when none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(match) for match in close) + "?"
    return "known: " + (", ".join(names) if names else "none")
