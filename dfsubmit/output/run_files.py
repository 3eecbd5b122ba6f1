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
        meta: what ``<stem>.meta.json`` holds, the run's name (a random "run") included; written
            with the next `refresh` or `finish`.
        rows: every file's, as far as memory has them.

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
        """Make sure that there is a valid submission while the model is being loaded: the
        provisional one, unless an earlier run left one for these files.

        Raises:
            UsageError: there is no room for it.
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
        decide: Callable[[FileResult], None] = lambda result: None,
    ) -> int:
        """Begin to write, after what an interrupted run left.

        Args:
            meta: what is known of the run before the first file.
            conditions: what results depend on besides their files (see `Journal.resume`).
            holds: whether a result of the interrupted run is to be kept; None keeps none.
            decide: sets the label of one that is kept, by this run's aggregator and threshold.

        Returns:
            The number of results that were taken over. They are rows of this run now.
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
        # The journal has the rows as they are to be written, so these go into it anew.
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
        """The results from now on depend on other conditions than those before."""
        self._journal.change_conditions(conditions)

    def add(self, file: MediaFile, result: FileResult) -> None:
        """Set a finished file's row and note it in the journal."""
        self._changed = True
        place = None
        try:
            place = self._journal.append(file, result)
        except OSError as error:
            # Only resuming is lost with the journal; the row itself is kept.
            warn(f"{self._journal.path}: {error.strerror or error}")
        self._set(result, place)

    def _set(self, result: FileResult, place: int | None) -> None:
        # What was counted once is not told from what is set anew.
        self._recount |= not self.rows.pending(result.filename)
        self._tally.add(result)
        self._keeps_features |= result.features is not None
        self.rows.set(result, place)

    def refresh(self, force: bool = False) -> None:
        """Write the submission and the metadata as they stand, if there is something new and the
        last time is long ago. Asked often, whether or not files are being finished.

        A full disk is reported and tried again later.
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
        # A million rows take seconds to write: not more than a twentieth of the run's time.
        self._pause = max(REFRESH_SECONDS, 20 * (self._refreshed - began))

    def finish(
        self,
        describe: Callable[[Tally], dict[str, Any]] = lambda tally: {},
        why: str = "",
        keep_journal: bool = False,
    ) -> Tally:
        """Write everything for the last time.

        Args:
            describe: what the run came to, given the tally of all rows; added to `meta`.
            why: what is to be said of rows that are provisional.
            keep_journal: the same command is to be given again although every row is final.

        Returns:
            The tally of all rows.

        Raises:
            DfsubmitError: it cannot be written. The journal stays, so that nothing is lost.
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
        """Let go of the output. The journal stays until every row is final and written."""
        self._journal.close(finished=self._complete)

    def results(self, why: str = "") -> Iterator[FileResult]:
        """Every file's row, in the order of the files, read from the journal one after the other.

        Args:
            why: what is to be said of rows that are provisional.
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
    """What a `RowMaker` sets."""
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
