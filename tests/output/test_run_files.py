"""A valid submission lies there from the first moment, and everything known at the end."""

from __future__ import annotations

import copy
import gc
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dfsubmit.errors import UsageError
from dfsubmit.output import run_files as module
from dfsubmit.output.journal import journal_path
from dfsubmit.output.run_files import RunOutput
from dfsubmit.output.scores import read_meta, read_scores, scores_path
from dfsubmit.output.submission import read_submission, validate_submission
from dfsubmit.records import FileResult, MediaFile, Status

Files = list[MediaFile]


def the_rest(submission: Path) -> dict[str, Any]:
    """The metadata without the run's name, which is never empty."""
    meta = read_meta(scores_path(submission))
    assert meta.pop("run")
    return meta


def test_a_complete_submission_lies_there_before_anything_is_scored(
    output: RunOutput, submission: Path
) -> None:
    output.meta["note"] = "begun"
    output.refresh(force=True)
    assert validate_submission(submission) == []
    assert read_submission(submission) == [("a.jpg", "1"), ("b.mp4", "1"), ("c.mp4", "1")]
    assert the_rest(submission) == {"note": "begun", "resumed": 0, "provisional": 3}


def test_rows_become_final_one_by_one(
    output: RunOutput,
    submission: Path,
    files: Files,
    make_result: Callable[..., FileResult],
) -> None:
    output.add(files[0], make_result("b.mp4", 0.1))
    output.add(files[1], make_result("a.jpg", 0.9))
    output.refresh(force=True)
    assert output.rows.provisional == 1
    assert read_submission(submission) == [("a.jpg", "1"), ("b.mp4", "0"), ("c.mp4", "1")]
    assert [result.filename for result in output.results()] == ["b.mp4", "a.jpg", "c.mp4"]


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
    assert output.meta["resumed"] == taken_over
    results = output.results()
    return output, [item.filename for item in results if item.status is not Status.PENDING]


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


def test_what_is_taken_over_is_decided_and_written_as_this_run_decides(
    submission: Path, files: Files, make_result: Callable[..., FileResult]
) -> None:
    def strict(result: FileResult) -> None:
        result.label = int((result.p_fake or 0) > 0.2)

    first, _ = begin(submission, files, "x")
    first.add(files[0], make_result("b.mp4", 0.3))
    first.add(files[1], make_result("a.jpg", 0.1))
    kill(first)
    for _ in range(2):
        second = RunOutput(submission, files, 0)
        assert second.begin({}, {"model": "x"}, lambda result: True, strict) == 2
        second.refresh(force=True)
        assert read_submission(submission) == [("a.jpg", "0"), ("b.mp4", "1"), ("c.mp4", "0")]
        assert [file.name for file in second.todo] == ["c.mp4"]
        kill(second)
    lines = journal_path(submission).read_text().splitlines()
    assert [line.count("b.mp4") for line in lines].count(1) == 2  # once decided, not again
    third = RunOutput(submission, files, 0)
    third.begin({}, {"model": "x"}, lambda result: True)
    third.finish()
    third.close()
    labels = {result.filename: result.label for result in read_scores(scores_path(submission))}
    assert labels == {"b.mp4": 1, "a.jpg": 0, "c.mp4": 0}


def test_results_wait_in_the_journal_and_not_in_memory(
    output: RunOutput, files: Files, make_result: Callable[..., FileResult]
) -> None:
    results = [make_result(file.name, 0.25, 0.5) for file in files]
    copies = [copy.deepcopy(result) for result in results]
    held = [weakref.ref(result) for result in results]
    for file in files:
        output.add(file, results.pop(0))
    gc.collect()
    assert [reference() for reference in held] == [None, None, None]
    assert list(output.results()) == copies


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
    output.finish(lambda tally: {"files": tally.files})
    output.close()
    assert read_scores(scores_path(submission)) == results
    assert the_rest(submission) == {"files": 3, "resumed": 0, "provisional": 0}
    assert not journal_path(submission).exists()


def test_a_run_that_is_killed_at_any_moment_leaves_no_scores_that_pass_for_its_own(
    submission: Path,
    files: Files,
    make_result: Callable[..., FileResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        pass

    def run(writes: int) -> None:
        """A run that is killed after so many files were written."""
        left = writes

        def replace(source: str, target: Path) -> None:
            nonlocal left
            if not left:
                raise Killed
            left -= 1
            os.rename(source, target)

        monkeypatch.setattr("dfsubmit.files.os.replace", replace)
        output = RunOutput(submission, files, 0)
        try:
            output.begin({"writes": writes}, {"writes": writes}, None)
            output.refresh(force=True)
            for file in files:
                output.add(file, make_result(file.name, 0.25))
            output.finish()
        finally:
            kill(output)

    scores = scores_path(submission)
    run(100)
    whole = read_scores(scores)
    for writes in range(5):
        with pytest.raises(Killed):
            run(writes)
        if read_meta(scores)["writes"] == writes:
            with pytest.raises(UsageError, match="different runs") as caught:
                read_scores(scores)
            assert "give its command again" in caught.value.hint
        else:  # nothing of it was written but the submission
            assert writes < 2
            assert read_scores(scores) == whole
            run(100)


def test_the_journal_stays_while_rows_are_provisional(
    output: RunOutput,
    submission: Path,
    files: Files,
    make_result: Callable[..., FileResult],
) -> None:
    output.add(files[0], make_result("b.mp4", 0.25))
    output.finish()
    output.close()
    assert journal_path(submission).exists()
    statuses = [result.status for result in read_scores(scores_path(submission))]
    assert statuses == [Status.OK, Status.PENDING, Status.PENDING]


def test_metadata_may_hold_what_json_does_not_know(output: RunOutput, submission: Path) -> None:
    output.meta["where"] = submission
    output.refresh(force=True)
    assert read_meta(scores_path(submission))["where"] == str(submission)
