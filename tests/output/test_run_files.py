"""A valid submission lies there from the first moment, and everything known at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.files import write_atomically
from dfsubmit.output import run_files as module
from dfsubmit.output.journal import Journal, journal_path
from dfsubmit.output.run_files import RunOutput
from dfsubmit.output.scores import read_meta, read_scores, scores_path
from dfsubmit.output.submission import read_submission, validate_submission
from dfsubmit.records import FileResult, MediaFile, Status

Files = list[MediaFile]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return [MediaFile(tmp_path / name, name, 10, 20) for name in ("b.mp4", "a.jpg", "c.mp4")]


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    return tmp_path / "out.csv"


@pytest.fixture
def output(submission: Path, files: Files) -> Iterator[RunOutput]:
    output = RunOutput(submission, files, 1)
    output.begin({}, {"model": "x"}, None)
    yield output
    with contextlib.suppress(ValueError):  # the test has closed it
        output.close()


def test_a_complete_submission_lies_there_before_anything_is_scored(
    output: RunOutput, submission: Path
) -> None:
    output.meta["note"] = "begun"
    output.refresh(force=True)
    assert validate_submission(submission) == []
    assert read_submission(submission) == [("a.jpg", "1"), ("b.mp4", "1"), ("c.mp4", "1")]
    assert read_meta(scores_path(submission)) == {"note": "begun", "resumed": 0, "provisional": 3}


def test_rows_become_final_one_by_one(
    output: RunOutput,
    submission: Path,
    files: Files,
    make_result: Callable[..., FileResult],
) -> None:
    output.add(files[0], make_result("b.mp4", 0.1))
    output.add(files[1], make_result("a.jpg", 0.9))
    output.refresh(force=True)
    assert output.pending == 1
    assert read_submission(submission) == [("a.jpg", "1"), ("b.mp4", "0"), ("c.mp4", "1")]
    assert [result.filename for result in output.results] == ["b.mp4", "a.jpg", "c.mp4"]


def test_refreshes_are_not_more_frequent_than_they_need_to_be(
    output: RunOutput,
    submission: Path,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    make_result: Callable[..., FileResult],
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    output.refresh()
    assert ("b.mp4", "1") in read_submission(submission)
    output.add(files[0], make_result("b.mp4", 0.1))
    now += module.REFRESH_SECONDS - 0.1
    output.refresh()
    assert ("b.mp4", "1") in read_submission(submission)
    now += 0.2
    output.refresh()
    assert ("b.mp4", "0") in read_submission(submission)
    # Nothing new, nothing written.
    submission.unlink()
    now += 2 * module.REFRESH_SECONDS
    output.refresh()
    assert not submission.exists()


def begin(
    submission: Path, files: Files, model: str, holds: bool = True
) -> tuple[RunOutput, list[str]]:
    """Output that is begun, and the names that it took over."""
    output = RunOutput(submission, files, 0)
    taken_over = output.begin({}, {"model": model}, lambda result: holds)
    assert output.meta["resumed"] == len(taken_over)
    return output, [result.filename for result in taken_over]


def kill(output: RunOutput) -> None:
    """What the kernel does to a killed process."""
    output._journal.close(finished=False)


def test_a_killed_run_goes_on(
    submission: Path, files: Files, make_result: Callable[..., FileResult]
) -> None:
    first, taken_over = begin(submission, files, "x")
    assert taken_over == []
    first.add(files[0], make_result("b.mp4", 0.9))
    kill(first)
    second, taken_over = begin(submission, files, "x")
    assert taken_over == ["b.mp4"]
    second.refresh(force=True)
    assert ("b.mp4", "1") in read_submission(submission)
    kill(second)
    for model, holds in (("y", True), ("x", False)):
        other, taken_over = begin(submission, files, model, holds)
        assert taken_over == []
        kill(other)


def test_what_was_scored_under_other_conditions_is_not_taken_over(
    submission: Path, files: Files, make_result: Callable[..., FileResult]
) -> None:
    first, _ = begin(submission, files, "on the GPU")
    first.add(files[0], make_result("b.mp4", 0.9))
    first.change_conditions({"model": "on the CPU"})
    first.add(files[1], make_result("a.jpg", 0.9))
    kill(first)
    for model, names in (("on the GPU", ["b.mp4"]), ("on the CPU", ["a.jpg"])):
        second, taken_over = begin(submission, files, model)
        assert taken_over == names
        kill(second)


def test_the_end_writes_scores_and_removes_the_journal(
    output: RunOutput,
    submission: Path,
    files: Files,
    make_result: Callable[..., FileResult],
) -> None:
    results = [make_result(file.name, 0.25) for file in files]
    for file, result in zip(files, results, strict=True):
        output.add(file, result)
    output.finish({"files": 3})
    output.close()
    assert read_scores(scores_path(submission)) == results
    assert read_meta(scores_path(submission)) == {"files": 3, "resumed": 0, "provisional": 0}
    assert not journal_path(submission).exists()


def test_the_journal_stays_while_rows_are_provisional(
    output: RunOutput,
    submission: Path,
    files: Files,
    make_result: Callable[..., FileResult],
) -> None:
    output.add(files[0], make_result("b.mp4", 0.25))
    output.finish({})
    output.close()
    assert journal_path(submission).exists()
    statuses = [result.status for result in read_scores(scores_path(submission))]
    assert statuses == [Status.OK, Status.PENDING, Status.PENDING]


@pytest.fixture
def data(tmp_path: Path, files: Files) -> Path:
    """A folder with the files."""
    folder = tmp_path / "data"
    folder.mkdir()
    for file in files:
        (folder / file.name).touch()
    return folder


def test_a_submission_is_provided_and_withdrawn(submission: Path, files: Files, data: Path) -> None:
    output = RunOutput(submission, files, 1)
    output.provide(data)
    assert validate_submission(submission, data) == []
    assert read_meta(scores_path(submission)) == {"complete": False, "provisional": 3}
    output.withdraw()
    output.close()
    assert not submission.exists()
    assert read_meta(scores_path(submission)) == {}


def test_an_earlier_valid_submission_is_kept_and_not_withdrawn(
    output: RunOutput, submission: Path, data: Path
) -> None:
    earlier = "filename,label\na.jpg,0\nb.mp4,0\nc.mp4,1\n"
    submission.write_text(earlier)
    output.provide(data)
    output.withdraw()
    assert submission.read_text() == earlier


def test_an_earlier_submission_of_other_files_is_replaced(
    output: RunOutput, submission: Path, data: Path
) -> None:
    submission.write_text("filename,label\nx.jpg,0\n")
    output.provide(data)
    assert validate_submission(submission, data) == []


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


def test_what_a_killed_run_left_half_written_is_removed(
    submission: Path, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(source: object, target: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("dfsubmit.files.os.replace", kill)
        patch.setattr("dfsubmit.files.os.unlink", lambda path: None)
        with pytest.raises(Killed):
            write_atomically(submission, "half")
        with pytest.raises(Killed):
            write_atomically(tmp_path / "other.csv", "somebody else's")
    assert len(list(tmp_path.glob(".dfsubmit-*"))) == 2
    RunOutput(submission, files, 0).close()
    (left,) = tmp_path.glob(".dfsubmit-*")
    assert left.read_text() == "somebody else's"


def test_two_runs_may_not_share_an_output(
    output: RunOutput, submission: Path, files: Files
) -> None:
    with pytest.raises(UsageError, match="another run"):
        RunOutput(submission, files, 0)


def test_metadata_may_hold_what_json_does_not_know(output: RunOutput, submission: Path) -> None:
    output.meta["where"] = submission
    output.refresh(force=True)
    assert read_meta(scores_path(submission))["where"] == str(submission)
