"""The journal: finished files of a run that is under way, so that an interrupted one goes on.

``<stem>.journal.jsonl`` lies beside the submission while a run is unfinished: one line for each
file, appended as it is done. It is also where a run has its results until it ends: in memory, they
would be 12 KB a video. The open file also carries the lock that keeps two runs off the same
output; the kernel drops it with the process, however that ends.
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

# The line of a result without features, all of it but the last brace.
_LINE = re.compile(rb'\{"file":\[-?\d+,-?\d+\],"result":(\{"filename":.*)\}\}', re.DOTALL)
# A crash or a time-out may have been the machine's, not the file's: tried again on resuming.
FINAL = frozenset((Status.OK, Status.NO_FACE, Status.UNREADABLE, Status.UNSUPPORTED))


def journal_path(submission: Path) -> Path:
    """Where the journal of a ``submission.csv`` lies."""
    return submission.with_name(submission.stem + ".journal.jsonl")


class Journal:
    """An open, locked journal. Lines are only ever added, so that no moment is a bad one to be
    killed at; of two lines for one file the later counts.

    Raises:
        UsageError: another run holds it, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = _open_locked(path)
        self._unwritten: dict[str, Any] | None = None

    def resume(
        self, files: Iterable[MediaFile], conditions: dict[str, Any]
    ) -> Iterator[tuple[int, FileResult]]:
        """The results that still hold, each with its place for `read`: same conditions, same size
        and modification time. Of two for one file the later counts.

        Args:
            files: of the data folder, as they are now.
            conditions: what a result depends on besides its file (model hash, recipe, precision
                …); they hold for all that is appended from now on.

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
                continue  # an object of another kind: its file is scored again
            if valid and same and result.status in FINAL:
                yield place, result

    def read(self, place: int) -> FileResult:
        """The result at a place that `append` or `resume` gave.

        Raises:
            OSError: it cannot be read, or is not there any more.
        """
        return _result(json_line_at(self._stream, place))

    def copy(self, place: int, run: str) -> bytes:
        """The result at a place as a line of scores: to copy it takes a tenth of the time that it
        takes to read and write it.

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
        """Forget earlier results; see `resume`."""
        self._stream.truncate(0)
        self._unwritten = conditions

    def change_conditions(self, conditions: dict[str, Any]) -> None:
        """What is appended from now on depends on these conditions."""
        self._unwritten = conditions

    def append(self, file: MediaFile, result: FileResult) -> int:
        """Note a finished file.

        Returns:
            its place, for `read`.

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
        """Let go of the lock; a run that is finished, or never began, needs no journal."""
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
