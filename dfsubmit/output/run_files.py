"""A run's files on disk: the submission, its scores, its metadata, its journal.

In: one `FileResult` at a time. Out, at any moment: a complete and valid ``submission.csv``, in
which what is not known yet has the failure label. It is refreshed while the run goes on, so that a
killed run leaves all that was known.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.files import remove_parts, write_atomically
from dfsubmit.output.journal import Journal, journal_path
from dfsubmit.output.scores import meta_path, scores_path, write_scores
from dfsubmit.output.submission import validate_submission, write_submission
from dfsubmit.records import FileResult, MediaFile, Status

REFRESH_SECONDS = 10.0


class RunOutput:
    """Everything that a run writes.

    Args:
        submission: the CSV's path.
        files: all files of the data folder.
        failure_label: the label of files that are not scored.

    Raises:
        UsageError: another run writes there, or the folder is not writable.
    """

    def __init__(self, submission: Path, files: Sequence[MediaFile], failure_label: int) -> None:
        self.submission = submission
        self.results = {file.name: FileResult(file.name, label=failure_label) for file in files}
        self._journal = Journal(journal_path(submission))
        for path in (submission, scores_path(submission), meta_path(submission)):
            remove_parts(path)
        self._refreshed = 0.0
        self._changed = True
        self._complete = False
        self._provided = False

    def provide(self, data: Path) -> None:
        """Make sure that a valid submission lies there while the model is being loaded: the
        provisional one, unless an earlier run left one for this folder.

        Raises:
            UsageError: there is no room for it.
        """
        if not validate_submission(self.submission, data):
            return
        try:
            self._write_rows({"complete": False})
        except OSError as error:
            raise UsageError(
                f"{self.submission} cannot be written: {error.strerror or error}",
                "make room, or choose another place: --output FILE",
            ) from error
        self._provided = True

    def withdraw(self) -> None:
        """Take back what `provide` wrote: the run cannot begin, and nobody should take guesses
        for its result."""
        if self._provided:
            for path in (self.submission, meta_path(self.submission)):
                path.unlink(missing_ok=True)

    def resume(self, files: Sequence[MediaFile], conditions: dict[str, Any]) -> list[FileResult]:
        """The results of an interrupted run that still hold.

        Args:
            files: all files of the data folder.
            conditions: what results depend on besides their files (see `Journal.resume`).
        """
        return list(self._journal.resume(files, conditions).values())

    def start_over(self, conditions: dict[str, Any]) -> None:
        """Ignore what an interrupted run left."""
        self._journal.start_over(conditions)

    def put(self, result: FileResult) -> None:
        """Set a file's row without noting it in the journal (it is there already)."""
        self.results[result.filename] = result
        self._changed = True

    def add(self, file: MediaFile, result: FileResult) -> None:
        """Set a finished file's row and note it in the journal."""
        self.put(result)
        try:
            self._journal.append(file, result)
        except OSError as error:
            # Only resuming is lost with the journal; the row itself is kept.
            print(f"warning: {self._journal.path}: {error.strerror or error}", file=sys.stderr)

    @property
    def pending(self) -> int:
        """The number of rows that are provisional."""
        return sum(item.status is Status.PENDING for item in self.results.values())

    def refresh(self, meta: dict[str, Any], force: bool = False) -> None:
        """Write the submission and the metadata as they stand, if there is something new and the
        last time is long ago. Asked often, whether or not files are being finished.

        A full disk is reported and tried again later.
        """
        late = time.monotonic() - self._refreshed >= REFRESH_SECONDS
        if not force and not (late and self._changed):
            return
        self._refreshed = time.monotonic()
        try:
            self._write_rows(meta)
        except OSError as error:
            print(f"warning: {self.submission}: {error}; will try again", file=sys.stderr)

    def finish(self, meta: dict[str, Any]) -> None:
        """Write everything for the last time.

        Raises:
            DfsubmitError: it cannot be written. The journal stays, so that nothing is lost.
        """
        try:
            self._write_rows(meta)
            write_scores(scores_path(self.submission), self.in_order())
        except OSError as error:
            raise DfsubmitError(
                f"{self.submission} cannot be written: {error.strerror or error}",
                "make room and run the same command again: it goes on where it was",
            ) from error
        self._complete = not self.pending

    def close(self) -> None:
        """Let go of the output. The journal stays until every row is final and written."""
        self._journal.close(finished=self._complete)

    def in_order(self) -> list[FileResult]:
        """All results, in the order of the files."""
        return list(self.results.values())

    def _write_rows(self, meta: dict[str, Any]) -> None:
        write_submission(self.submission, self.in_order())
        text = json.dumps({**meta, "provisional": self.pending}, indent=2, default=str) + "\n"
        write_atomically(meta_path(self.submission), text)
        self._changed = False
