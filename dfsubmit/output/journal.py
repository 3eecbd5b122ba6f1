"""The journal: the finished files of a run in progress, so that an interrupted run can resume.

``<stem>.journal.jsonl`` is beside the submission while a run is unfinished. One line is appended
per finished file. A run also stores its results here until it ends; in memory they would take 12 KB
per video. The open file also holds the lock that prevents two runs on the same output; the kernel
releases it when the process ends for any reason.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from dfsubmit.errors import UsageError
from dfsubmit.files import append_json_line, json_line_at, line_at, placed_json_lines
from dfsubmit.output.scores import score_line
from dfsubmit.records import FileResult, MediaFile, Status

# The line of a result without features, except for the last brace.
_LINE = re.compile(rb'\{"file":\[-?\d+,-?\d+\],"result":(\{"filename":.*)\}\}', re.DOTALL)
# A crash or a time-out may be caused by the machine: these files are retried on resuming.
FINAL = frozenset((Status.OK, Status.NO_FACE, Status.UNREADABLE, Status.UNSUPPORTED))


def journal_path(submission: Path) -> Path:
    """The path of the journal of a ``submission.csv``."""
    return submission.with_name(submission.stem + ".journal.jsonl")


class Journal:
    """An open, locked journal. Lines are only appended, so that a kill at any moment is safe. If a
    file has two lines, the later one is used.

    Raises:
        UsageError: another run has locked it, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = _open_locked(path)
        self._unwritten: dict[str, Any] | None = None

    def resume(
        self, files: Iterable[MediaFile], conditions: dict[str, Any]
    ) -> Iterator[tuple[int, FileResult]]:
        """The results that are still valid (same conditions, size and modification time), each with
        its position for `read`. If a file has two, the later one is used.

        Args:
            files: the current files of the data folder.
            conditions: what a result depends on besides its file (model hash, recipe, precision
                …); they also apply to all lines appended from now on.

        Raises:
            OSError: (while they are read) the journal cannot be read.
        """
        # Through JSON once, so that tuples and lists compare equal with what is read.
        conditions = self._unwritten = json.loads(json.dumps(conditions))
        return self._holding({file.name: file for file in files}, conditions)

    def _holding(
        self, current: Mapping[str, MediaFile], conditions: dict[str, Any]
    ) -> Iterator[tuple[int, FileResult]]:
        valid = False
        for place, entry in placed_json_lines(self.path):
            if entry is None:
                continue  # a line that an interruption cut short
            if "conditions" in entry:
                valid = entry["conditions"] == conditions
                continue
            try:
                result = _result(entry)
                file = current.get(result.filename)
                same = file and [file.size, file.mtime_ns] == entry["file"]
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
                continue  # another kind of object: its file is scored again
            if valid and same and result.status in FINAL:
                yield place, result

    def read(self, place: int) -> FileResult:
        """The result at a position returned by `append` or `resume`.

        Raises:
            OSError: it cannot be read, or no longer exists.
        """
        return _result(json_line_at(self._stream, place))

    def copy(self, place: int, run: str) -> bytes:
        """The result at a position as a line of scores; ten times as fast as reading and
        formatting it.

        Args:
            place: as for `read`.
            run: see `scores.score_line`.

        Raises:
            OSError: as `read`.
        """
        match = _LINE.fullmatch(line_at(self._stream, place))
        if match is None or not run:
            return score_line(self.read(place), run)
        return b'%b,"run":"%b"}\n' % (match[1], run.encode("ascii"))

    def start_over(self, conditions: dict[str, Any]) -> None:
        """Discard earlier results; see `resume`."""
        self._stream.truncate(0)
        self._unwritten = conditions

    def change_conditions(self, conditions: dict[str, Any]) -> None:
        """Set the conditions of all results appended from now on."""
        self._unwritten = conditions

    def append(self, file: MediaFile, result: FileResult) -> int:
        """Append the result of a finished file.

        Returns:
            its position, for `read`.

        Raises:
            OSError: the disk is full.
        """
        if self._unwritten is not None:
            append_json_line(self._stream, {"conditions": self._unwritten})
            self._unwritten = None
        entry = {"file": [file.size, file.mtime_ns], "result": result.to_json()}
        if result.features is not None:
            packed = result.features.astype("<f2").tobytes()
            entry["features"] = base64.b64encode(packed).decode("ascii")
        return append_json_line(self._stream, entry)

    def close(self, finished: bool) -> None:
        """Release the lock; the journal is removed if the run is finished or never started."""
        with contextlib.suppress(OSError):
            if finished or not os.fstat(self._stream.fileno()).st_size:
                self.path.unlink()
            self._stream.close()


def _result(entry: Mapping[str, Any]) -> FileResult:
    result = FileResult.from_json(entry["result"])
    if "features" in entry:
        packed = base64.b64decode(entry["features"], validate=True)
        result.features = np.frombuffer(packed, "<f2").astype(np.float16)
    return result


def _open_locked(path: Path) -> FileIO:
    while True:
        try:
            stream = FileIO(path, "a+")
        except OSError as error:
            raise UsageError(
                f"nothing can be written to {path.parent}: {error.strerror}",
                "choose a writable place: --output FILE",
            ) from error
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between the two calls, the other run may have finished and removed the file.
            if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(stream.fileno())):
                return stream
        except BlockingIOError:
            stream.close()
            raise UsageError(
                f"another run is writing to {path.with_name(path.name[: -len('.journal.jsonl')])}",
                "wait for it, or give this run its own --output",
            ) from None
        stream.close()
