"""A run's files on disk: the submission, its scores, its metadata, its journal.

In: one `FileResult` at a time. Out, at any moment: a complete and valid ``submission.csv``, in
which what is not known yet has the failure label. It is refreshed while the run goes on, so that a
killed run leaves all that was known.
"""

from __future__ import annotations

import errno
import json
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dfsubmit.console import counted, warn
from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.faces.pictures import keep_pictures
from dfsubmit.files import check_output, output_target, remove_parts, write_atomically
from dfsubmit.options import pictures_path
from dfsubmit.output.features import features_path, write_features
from dfsubmit.output.journal import FINAL, Journal, journal_path
from dfsubmit.output.scores import meta_path, scores_path, write_scores
from dfsubmit.output.submission import is_whole, write_submission
from dfsubmit.records import FileResult, MediaFile, Status

REFRESH_SECONDS = 10.0


class RunOutput:
    """Everything that a run writes.

    Args:
        submission: the CSV's path.
        files: all files of the data folder.
        failure_label: the label of files that are not scored.

    Attributes:
        meta: what ``<stem>.meta.json`` holds, the run's name (a random "run") included; written
            with the next `refresh` or `finish`.

    Raises:
        UsageError: another run writes there, the folder is not writable, or one of the files is
            no regular one.
    """

    def __init__(self, submission: Path, files: Sequence[MediaFile], failure_label: int) -> None:
        self.submission = submission
        # Not derived from what is run: a resumed run's metadata must not be taken for those of the
        # partial scores that it finds.
        self._run = secrets.token_hex(8)
        self.meta: dict[str, Any] = {"run": self._run, "complete": False}
        self._files = files
        self._results = {
            file.name: FileResult(filename=file.name, label=failure_label) for file in files
        }
        written = (submission, *(of(submission) for of in (scores_path, meta_path, features_path)))
        for path in (*written, journal_path(submission)):
            check_output(path)
        self._journal = Journal(journal_path(submission))
        for path in written:
            remove_parts(path)
        self._noted: set[str] = set()
        self._resumable = True
        self._refreshed = 0.0
        self._changed = True
        self._complete = False
        self._provided = False

    def provide(self) -> None:
        """Make sure that there is a valid submission while the model is being loaded: the
        provisional one, unless an earlier run left one for these files.

        Raises:
            UsageError: there is no room for it.
        """
        if is_whole(self.submission, self._results):
            return
        try:
            self._write()
        except OSError as error:
            raise UsageError(
                self._not_written(error), f"{_cure(error)}, or choose another place: --output FILE"
            ) from error
        self._provided = True

    def withdraw(self) -> None:
        """Take back what `provide` wrote: the run cannot begin, and nobody should take guesses
        for its result."""
        if self._provided:
            for path in (self.submission, meta_path(self.submission)):
                output_target(path).unlink(missing_ok=True)

    def begin(
        self,
        meta: dict[str, Any],
        conditions: dict[str, Any],
        holds: Callable[[FileResult], bool] | None,
    ) -> list[FileResult]:
        """Begin to write, after what an interrupted run left.

        Args:
            meta: what is known of the run before the first file.
            conditions: what results depend on besides their files (see `Journal.resume`).
            holds: whether a result of the interrupted run is to be kept; None keeps none.

        Returns:
            The results that were taken over. They are rows of this run now; whoever changes one
            changes the row.
        """
        taken_over: list[FileResult] = []
        if holds is None:
            self._journal.start_over(conditions)
        else:
            kept = self._journal.resume(self._files, conditions).values()
            taken_over = [result for result in kept if holds(result)]
        self._resumable = holds is not None
        self._noted = {result.filename for result in taken_over}
        keep_pictures(pictures_path(self.submission), self._noted)
        self._results |= {result.filename: result for result in taken_over}
        self.meta = {**meta, "run": self._run, "resumed": len(taken_over)}
        return taken_over

    def change_conditions(self, conditions: dict[str, Any]) -> None:
        """The results from now on depend on other conditions than those before."""
        self._journal.change_conditions(conditions)

    def add(self, file: MediaFile, result: FileResult) -> None:
        """Set a finished file's row and note it in the journal."""
        self._results[result.filename] = result
        self._changed = True
        try:
            self._journal.append(file, result)
            self._noted.add(result.filename)
        except OSError as error:
            # Only resuming is lost with the journal; the row itself is kept.
            warn(f"{self._journal.path}: {error.strerror or error}")

    def refresh(self, force: bool = False) -> None:
        """Write the submission and the metadata as they stand, if there is something new and the
        last time is long ago. Asked often, whether or not files are being finished.

        A full disk is reported and tried again later.
        """
        late = time.monotonic() - self._refreshed >= REFRESH_SECONDS
        if not force and not (late and self._changed):
            return
        self._refreshed = time.monotonic()
        try:
            self._write()
        except OSError as error:
            warn(f"{self._not_written(error)}; will try again")

    def finish(self, outcome: dict[str, Any], keep_journal: bool = False) -> None:
        """Write everything for the last time.

        Args:
            outcome: what the run came to; added to `meta`.
            keep_journal: the same command is to be given again although every row is final.

        Raises:
            DfsubmitError: it cannot be written. The journal stays, so that nothing is lost.
        """
        self.meta |= outcome
        try:
            self._write()
            write_scores(scores_path(self.submission), self.results, self._run)
            write_features(features_path(self.submission), self.results, self._run)
        except OSError as error:
            kept = sum(
                item.filename in self._noted and item.status in FINAL for item in self.results
            )
            again = "the same command" if self._resumable else "the command without --no-resume"
            raise DfsubmitError(
                self._not_written(error),
                f"{_cure(error)} and give {again} again: "
                f"of {counted(len(self._results), 'file')} it takes over {kept}, which "
                f"{self._journal.path.name} holds, and scores the others",
            ) from error
        self._complete = not self.pending and not keep_journal

    def close(self) -> None:
        """Let go of the output. The journal stays until every row is final and written."""
        self._journal.close(finished=self._complete)

    @property
    def results(self) -> list[FileResult]:
        """Every file's row, in the order of the files."""
        return list(self._results.values())

    @property
    def pending(self) -> int:
        """The number of rows that are provisional."""
        return sum(item.status is Status.PENDING for item in self._results.values())

    def _write(self) -> None:
        rows = ((result.filename, result.label) for result in self._results.values())
        write_submission(self.submission, rows)
        text = json.dumps({**self.meta, "provisional": self.pending}, indent=2, default=str) + "\n"
        write_atomically(meta_path(self.submission), text)
        self._changed = False

    def _not_written(self, error: OSError) -> str:
        return f"{error.filename or self.submission} cannot be written: {error.strerror or error}"


def _cure(error: OSError) -> str:
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return "make room" if error.errno in full else "make it writable"
