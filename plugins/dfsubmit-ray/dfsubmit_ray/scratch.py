"""A temporary folder of one actor. It is removed even if the actor's process was killed.

Each actor locks its folder. The kernel releases the lock when the process ends, however it ends.
The next actor on the machine then removes the folder, because nothing holds its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "dfsubmit-actor-"
_ATTEMPTS = 20


class Scratch:
    """A new temporary folder; first removes those whose processes have ended.

    Args:
        root: where the folders are; None for the machine's temporary folder.

    Attributes:
        path: the folder.
    """

    def __init__(self, root: Path | None = None) -> None:
        root = root or Path(tempfile.gettempdir())
        _remove_unused(root)
        self.path, self._lock = _make(root)

    def remove(self) -> None:
        """Remove the folder with its content."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _make(root: Path) -> tuple[Path, int | None]:
    for _ in range(_ATTEMPTS):
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        lock = _lock(path)
        # Before it was locked, another actor may have found it unused and removed it.
        if lock is not None and path.exists():
            return path, lock
        if lock is not None:
            os.close(lock)
        with contextlib.suppress(OSError):
            path.rmdir()
    # This file system has no locks, so no actor removes another's folder either.
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=root)), None


def _remove_unused(root: Path) -> None:
    for path in root.glob(f"{PREFIX}*"):
        lock = _lock(path)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _lock(path: Path) -> int | None:
    """A descriptor that holds the folder's lock; None if another process has it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
