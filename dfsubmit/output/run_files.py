"""A run's files on disk: the submission, its scores, its metadata, its journal.

In: one `FileResult` at a time. Out, at any moment: a complete and valid ``submission.csv``, in
which unfinished files have the failure label. It is refreshed during the run, so that a killed run
leaves all results so far.
"""

from __future__ import annotations

import errno
import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dfsubmit.console import counted, warn
from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.faces.pictures import keep_pictures
from dfsubmit.files import check_output, output_target, remove_parts, write_atomically
from dfsubmit.options import pictures_path
from dfsubmit.output.features import features_path, write_features
from dfsubmit.output.journal import Journal, journal_path
from dfsubmit.output.rows import Rows
from dfsubmit.output.scores import meta_path, score_line, scores_path, write_score_lines
from dfsubmit.output.submission import is_whole, write_submission
from dfsubmit.output.tally import Tally
from dfsubmit.records import FileResult, MediaFile, Status

REFRESH_SECONDS = 10.0


class RunOutput:
    """Everything that a run writes.

    Args:
        submission: the CSV's path.
        files: all files of the data folder.
        failure_label: the label of files that are not scored.

    Attributes:
        meta: the content of ``<stem>.meta.json``, including the run's random name ("run"); written
            with the next `refresh` or `finish`.
        rows: the rows of all files, with the part that is kept in memory.

    Raises:
        UsageError: another run writes there, the folder is not writable, or an output exists that
            is not a regular file.
    """

    def __init__(self, submission: Path, files: Sequence[MediaFile], failure_label: int) -> None:
        self.submission = submission
        # Random, not derived from the options: a resumed run's metadata must not match the partial
        # scores that it finds.
        self._run = secrets.token_hex(8)
        self.meta: dict[str, Any] = {"run": self._run, "complete": False}
        self._files = files
        self.rows = Rows([file.name for file in files], failure_label)
        written = (submission, *(of(submission) for of in (scores_path, meta_path, features_path)))
        for path in (*written, journal_path(submission)):
            check_output(path)
        self._journal = Journal(journal_path(submission))
        for path in written:
            remove_parts(path)
        self._resumable = True
        self._refreshed = 0.0
        self._pause = REFRESH_SECONDS
        self._tally = Tally()
        self._recount = False
        self._keeps_features = False
        self._changed = True
        self._complete = False
        self._provided = False

    def provide(self) -> None:
        """Write a provisional submission, so that a valid one exists while the model is loaded,
        unless an earlier run left one for these files.

        Raises:
            UsageError: the disk is full.
        """
        if is_whole(self.submission, self.rows.names):
            return
        try:
            self._write()
        except OSError as error:
            raise UsageError(
                self._not_written(error), f"{_cure(error)}, or choose another place: --output FILE"
            ) from error
        self._provided = True

    def withdraw(self) -> None:
        """Remove what `provide` wrote: the run cannot start, and provisional labels are not a
        result."""
        if self._provided:
            for path in (self.submission, meta_path(self.submission)):
                output_target(path).unlink(missing_ok=True)

    def begin(
        self,
        meta: dict[str, Any],
        conditions: dict[str, Any],
        holds: Callable[[FileResult], bool] | None,
        decide: Callable[[FileResult], None] = lambda result: None,
    ) -> int:
        """Start writing, and resume an interrupted run.

        Args:
            meta: the metadata known before the first file.
            conditions: what results depend on besides their files (see `Journal.resume`).
            holds: whether to keep a result of the interrupted run; None keeps none.
            decide: sets the label of a kept result, by this run's aggregator and threshold.

        Returns:
            The number of results kept from the interrupted run.
        """
        if holds is None:
            self._journal.start_over(conditions)
        else:
            self._take_over(conditions, holds, decide)
        self._resumable = holds is not None
        resumed = {name for name in self.rows.names if not self.rows.pending(name)}
        keep_pictures(pictures_path(self.submission), resumed)
        self.meta = {**meta, "run": self._run, "resumed": len(resumed)}
        return len(resumed)

    def _take_over(
        self,
        conditions: dict[str, Any],
        holds: Callable[[FileResult], bool],
        decide: Callable[[FileResult], None],
    ) -> None:
        changed: dict[str, int] = {}
        for place, result in self._journal.resume(self._files, conditions):
            if not holds(result):
                continue
            before = _decision(result)
            decide(result)
            self._set(result, place)
            changed.pop(result.filename, None)
            if _decision(result) != before:
                changed[result.filename] = place
        # The journal must contain the rows as they will be written, so these are added again.
        for file in self._files if changed else ():
            if file.name in changed:
                result = self._journal.read(changed[file.name])
                decide(result)
                self.add(file, result)

    @property
    def todo(self) -> list[MediaFile]:
        """The files whose rows are provisional."""
        return [file for file in self._files if self.rows.pending(file.name)]

    def change_conditions(self, conditions: dict[str, Any]) -> None:
        """Set the conditions of all further results."""
        self._journal.change_conditions(conditions)

    def add(self, file: MediaFile, result: FileResult) -> None:
        """Set a finished file's row and append it to the journal."""
        self._changed = True
        place = None
        try:
            place = self._journal.append(file, result)
        except OSError as error:
            # Without the journal only resuming is lost; the row is kept.
            warn(f"{self._journal.path}: {error.strerror or error}")
        self._set(result, place)

    def _set(self, result: FileResult, place: int | None) -> None:
        # The tally cannot tell a new row from one that was counted before.
        self._recount |= not self.rows.pending(result.filename)
        self._tally.add(result)
        self._keeps_features |= result.features is not None
        self.rows.set(result, place)

    def refresh(self, force: bool = False) -> None:
        """Write the current submission and metadata, if something is new and the last write is long
        enough ago. Called often, even if no files are finished.

        A full disk is reported, and writing is retried later.
        """
        began = time.monotonic()
        late = began - self._refreshed >= self._pause
        if not force and not (late and self._changed):
            return
        try:
            self._write()
        except OSError as error:
            warn(f"{self._not_written(error)}; will try again")
        self._refreshed = time.monotonic()
        # A million rows take seconds to write; use at most a twentieth of the run's time.
        self._pause = max(REFRESH_SECONDS, 20 * (self._refreshed - began))

    def finish(
        self,
        describe: Callable[[Tally], dict[str, Any]] = lambda tally: {},
        why: str = "",
        keep_journal: bool = False,
    ) -> Tally:
        """Write the final outputs.

        Args:
            describe: returns the metadata of the outcome from the tally of all rows.
            why: the reason given for provisional rows.
            keep_journal: keep the journal for a repeated run even if every row is final.

        Returns:
            The tally of all rows.

        Raises:
            DfsubmitError: writing failed. The journal is kept, so that nothing is lost.
        """
        try:
            self._write()
            lines = (
                self._journal.copy(found, self._run)
                if isinstance(found, int)
                else score_line(found, self._run)
                for found in self.rows.found(why)
            )
            write_score_lines(scores_path(self.submission), lines)
            tally = self._counted(why)
            self.meta |= describe(tally)
            features = self._features() if self._keeps_features else {}
            write_features(features_path(self.submission), features, self._run)
            self._write_meta()
        except OSError as error:
            again = "the same command" if self._resumable else "the command without --no-resume"
            raise DfsubmitError(
                self._not_written(error),
                f"{_cure(error)} and give {again} again: "
                f"of {counted(len(self.rows), 'file')} it takes over {self.rows.resumable}, which "
                f"{self._journal.path.name} holds, and scores the others",
            ) from error
        self._complete = not self.rows.provisional and not keep_journal
        return tally

    def close(self) -> None:
        """Release the output. The journal is kept until every row is final and written."""
        self._journal.close(finished=self._complete)

    def results(self, why: str = "") -> Iterator[FileResult]:
        """The results of all files, in their order, read one by one from the journal.

        Args:
            why: the reason given for provisional rows.
        """
        for found in self.rows.found(why):
            yield self._journal.read(found) if isinstance(found, int) else found

    def _counted(self, why: str) -> Tally:
        """The tally of all rows."""
        if self._recount:
            return Tally.of(self.results(why))
        if self.rows.provisional:
            for found in self.rows.found(why):
                if not isinstance(found, int) and found.status is Status.PENDING:
                    self._tally.add(found)
        return self._tally

    def _features(self) -> dict[str, npt.NDArray[np.float16]]:
        return {
            result.filename: result.features
            for result in self.results()
            if result.features is not None
        }

    def _write(self) -> None:
        write_submission(self.submission, self.rows.labels(), self.rows.in_order)
        self._write_meta()
        self._changed = False

    def _write_meta(self) -> None:
        meta = {**self.meta, "provisional": self.rows.provisional}
        text = json.dumps(meta, indent=2, default=str) + "\n"
        write_atomically(meta_path(self.submission), text)

    def _not_written(self, error: OSError) -> str:
        return f"{error.filename or self.submission} cannot be written: {error.strerror or error}"


def _decision(result: FileResult) -> tuple[object, ...]:
    """The fields that a `RowMaker` sets."""
    return (
        result.label,
        result.p_fake,
        result.bounds,
        result.error,
        result.aggregator_fallback,
    )


def _cure(error: OSError) -> str:
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return "make room" if error.errno in full else "make it writable"
