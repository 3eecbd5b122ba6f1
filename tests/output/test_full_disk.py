"""A full disk costs no row and no run, and what is said of it is true."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.output import run_files as module
from dfsubmit.output.journal import Journal, journal_path
from dfsubmit.output.run_files import RunOutput
from dfsubmit.records import FileResult, MediaFile

Files = list[MediaFile]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_submission", full)


def test_a_full_disk_does_not_end_a_run(
    output: RunOutput, full_disk: None, capsys: pytest.CaptureFixture[str]
) -> None:
    output.refresh(force=True)
    assert "No space left on device; will try again" in capsys.readouterr().err


def test_a_disk_full_at_the_beginning_is_the_users_error(
    output: RunOutput, data: Path, full_disk: None
) -> None:
    with pytest.raises(UsageError, match="No space left on device"):
        output.provide(data)


def test_a_disk_full_at_the_end_is_an_error_and_keeps_the_journal(
    output: RunOutput,
    submission: Path,
    files: Files,
    make_result: Callable[..., FileResult],
    full_disk: None,
) -> None:
    for file in files:
        output.add(file, make_result(file.name, 0.5))
    with pytest.raises(DfsubmitError, match="No space left on device") as caught:
        output.finish({})
    assert "resumes where it stopped" in caught.value.hint
    output.close()
    assert journal_path(submission).exists()


def test_a_journal_that_cannot_grow_costs_only_resuming(
    output: RunOutput,
    files: Files,
    make_result: Callable[..., FileResult],
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Full(Journal):
        def __init__(self) -> None:
            self.path = Path("the journal")

        def append(self, file: MediaFile, result: FileResult) -> None:
            raise OSError(28, "No space left on device")

        def close(self, finished: bool) -> None:
            journal.close(finished)

    journal, output._journal = output._journal, Full()
    output.add(files[0], make_result("b.mp4", 0.9))
    assert output.results[0].label == 1
    assert "the journal" in capsys.readouterr().err
