"""The journal: finished files of a run that is under way, so that an interrupted one goes on.

``<stem>.journal.jsonl`` lies beside the submission while a run is unfinished: one line for each
file, appended as it is done. The open file also carries the lock that keeps two runs off the same
output; the kernel drops it with the process, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from dfsubmit.errors import UsageError
from dfsubmit.records import FileResult, MediaFile, Status

# A crash or a time-out may have been the machine's, not the file's: tried again on resuming.
_FINAL = frozenset((Status.OK, Status.NO_FACE, Status.UNREADABLE, Status.UNSUPPORTED))


def journal_path(submission: Path) -> Path:
    """Where the journal of a ``submission.csv`` lies."""
    return submission.with_name(submission.stem + ".journal.jsonl")


class Journal:
    """An open, locked journal.

    Args:
        path: of the journal.
        conditions: what a result depends on besides its file (model hash, recipe, precision …);
            results written under other conditions are not used.

    Raises:
        UsageError: another run holds it, or it cannot be written.
    """

    def __init__(self, path: Path, conditions: dict[str, Any]) -> None:
        self.path = path
        # Through JSON once, so that tuples and lists compare equal with what was read.
        self.conditions: dict[str, Any] = json.loads(json.dumps(conditions))
        self._stream = _open_locked(path)

    def resume(self, files: Iterable[MediaFile]) -> dict[str, FileResult]:
        """The results that still hold, by name: same conditions, same size and modification time.

        What no longer holds is dropped from the journal.
        """
        current = {file.name: file for file in files}
        entries: dict[str, dict[str, Any]] = {}
        conditions: Any = None
        self._stream.seek(0)
        for line in self._stream:
            try:
                entry = json.loads(line)
                if "conditions" in entry:
                    conditions = entry["conditions"]
                elif conditions == self.conditions:
                    entries[entry["result"]["filename"]] = entry
            except (ValueError, KeyError, TypeError):
                continue  # the line that the interruption cut short
        kept: dict[str, FileResult] = {}
        for name, entry in entries.items():
            with contextlib.suppress(ValueError, KeyError, TypeError, OverflowError):
                result = FileResult.from_json(entry["result"])
                file = current.get(name)
                same = file and [file.size, file.mtime_ns] == entry["file"]
                if same and result.status in _FINAL:
                    kept[name] = result
        self._stream.seek(0)
        self._stream.truncate()
        self._write({"conditions": self.conditions})
        for name, result in kept.items():
            self.append(current[name], result)
        return kept

    def start_over(self) -> None:
        """Forget earlier results."""
        self._stream.seek(0)
        self._stream.truncate()
        self._write({"conditions": self.conditions})

    def append(self, file: MediaFile, result: FileResult) -> None:
        """Note a finished file.

        Raises:
            OSError: the disk is full.
        """
        self._write({"file": [file.size, file.mtime_ns], "result": result.to_json()})

    def close(self, finished: bool) -> None:
        """Let go of the lock; a finished run needs no journal any more."""
        with contextlib.suppress(OSError):
            if finished:
                self.path.unlink()
            self._stream.close()

    def _write(self, entry: dict[str, Any]) -> None:
        self._stream.write(json.dumps(entry, separators=(",", ":")) + "\n")
        self._stream.flush()


def _open_locked(path: Path) -> IO[str]:
    while True:
        try:
            # What a power failure left in the file may be any bytes.
            stream = path.open("a+", encoding="utf-8", errors="replace")
        except OSError as error:
            raise UsageError(
                f"nothing can be written to {path.parent}: {error.strerror}",
                "choose a writable place: --output FILE",
            ) from error
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The run that held it may have finished, and removed the file, between the two calls.
            if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(stream.fileno())):
                return stream
        except BlockingIOError:
            stream.close()
            raise UsageError(
                f"another run is writing to {path.with_name(path.name[: -len('.journal.jsonl')])}",
                "wait for it, or give this run its own --output",
            ) from None
        stream.close()
