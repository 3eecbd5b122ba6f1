"""A full disk costs no row and no run, and what is said of it is true."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.output import run_files as module
from dfsubmit.output.journal import Journal, journal_path
from dfsubmit.output.run_files import RunOutput
from dfsubmit.records import FileResult, MediaFile, Status

Files = list[MediaFile]


def full(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full)


def test_a_full_disk_does_not_end_a_run(
    output: RunOutput, full_disk: None, capsys: pytest.CaptureFixture[str]
) -> None:
    output.refresh(force=True)
    assert "No space left on device; will try again" in capsys.readouterr().err


def test_a_disk_full_at_the_beginning_is_the_users_error(
    output: RunOutput, full_disk: None
) -> None:
    with pytest.raises(UsageError, match="No space left on device"):
        output.provide()


def test_a_disk_full_at_the_end_is_an_error_and_keeps_the_journal(
    output: RunOutput,
    submission: Path,
    files: Files,
    make_result: Callable[..., FileResult],
    full_disk: None,
) -> None:
    for file in files:
        output.add(file, make_result(file.name, 0.5))
    with pytest.raises(DfsubmitError, match=r"out\.csv cannot be written: No space left") as caught:
        output.finish()
    assert "give the command without --no-resume again: of 3 files it takes over 3" in (
        caught.value.hint
    )
    output.close()
    assert journal_path(submission).exists()


def test_what_the_journal_lacks_is_not_promised(
    submission: Path,
    files: Files,
    make_result: Callable[..., FileResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = RunOutput(submission, files, 0)
    output.begin({}, {}, lambda result: True)
    output.add(files[0], make_result("b.mp4", 0.5))
    output.add(files[1], make_result("a.jpg", status=Status.CRASHED))  # which is tried again
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", full)
        output.add(files[2], make_result("c.mp4", 0.5))
        # The scores alone do not fit.
        patch.setattr(module, "write_score_lines", full)
        with pytest.raises(DfsubmitError) as caught:
            output.finish()
    assert "make room and give the same command again: of 3 files it takes over 1" in (
        caught.value.hint
    )
    output.close()
    again = RunOutput(submission, files, 0)
    assert again.begin({}, {}, lambda result: True) == 1
    again.close()


def test_another_reason_has_another_cure(
    output: RunOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*arguments: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", read_only)
    with pytest.raises(UsageError) as caught:
        output.provide()
    assert "make room" not in caught.value.hint


def test_a_journal_that_cannot_grow_costs_only_resuming(
    output: RunOutput,
    files: Files,
    make_result: Callable[..., FileResult],
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Full(Journal):
        def __init__(self) -> None:
            self.path = Path("the journal")

        def append(self, file: MediaFile, result: FileResult) -> int:
            raise OSError(28, "No space left on device")

        def close(self, finished: bool) -> None:
            journal.close(finished)

    journal, output._journal = output._journal, Full()
    output.add(files[0], make_result("b.mp4", 0.9))
    assert next(output.results()).label == 1
    assert "the journal" in capsys.readouterr().err
