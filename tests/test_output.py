"""A valid submission lies there from the first moment, and everything known at the end."""

from __future__ import annotations

import json

import pytest

from dfsubmit import output as module
from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.journal import journal_path
from dfsubmit.output import RunOutput
from dfsubmit.records import MediaFile, Status
from dfsubmit.scores import read_meta, read_scores, scores_path
from dfsubmit.submission import read_submission, validate_submission


@pytest.fixture
def files(tmp_path):
    return [MediaFile(tmp_path / name, name, 10, 20) for name in ("b.mp4", "a.jpg", "c.mp4")]


@pytest.fixture
def submission(tmp_path):
    return tmp_path / "out.csv"


@pytest.fixture
def output(submission, files):
    output = RunOutput(submission, files, 1, {"model": "x"})
    output.start_over()
    yield output
    output.close()


def test_a_complete_submission_lies_there_before_anything_is_scored(output, submission):
    output.refresh({"note": "begun"}, force=True)
    assert validate_submission(submission) == []
    assert read_submission(submission) == [("a.jpg", "1"), ("b.mp4", "1"), ("c.mp4", "1")]
    assert read_meta(scores_path(submission)) == {"note": "begun", "provisional": 3}


def test_rows_become_final_one_by_one(output, submission, files, make_result):
    output.add(files[0], make_result("b.mp4", 0.1))
    output.put(make_result("a.jpg", 0.9))
    output.refresh({}, force=True)
    assert output.pending == 1
    assert read_submission(submission) == [("a.jpg", "1"), ("b.mp4", "0"), ("c.mp4", "1")]
    assert [result.filename for result in output.in_order()] == ["b.mp4", "a.jpg", "c.mp4"]


def test_refreshes_are_not_more_frequent_than_they_need_to_be(
    output, submission, monkeypatch, make_result
):
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    output.refresh({})
    output.put(make_result("b.mp4", 0.1))
    now += module.REFRESH_SECONDS - 0.1
    output.refresh({})
    assert ("b.mp4", "1") in read_submission(submission)
    now += 0.2
    output.refresh({})
    assert ("b.mp4", "0") in read_submission(submission)


def test_a_killed_run_goes_on(submission, files, make_result):
    first = RunOutput(submission, files, 0, {"model": "x"})
    assert first.resume(files) == []
    first.add(files[0], make_result("b.mp4", 0.9))
    first._journal.close(finished=False)  # what the kernel does to a killed process
    second = RunOutput(submission, files, 0, {"model": "x"})
    assert [result.filename for result in second.resume(files)] == ["b.mp4"]
    second.close()
    other = RunOutput(submission, files, 0, {"model": "y"})
    assert other.resume(files) == []
    other.close()


def test_the_end_writes_scores_and_removes_the_journal(output, submission, files, make_result):
    results = [make_result(file.name, 0.25) for file in files]
    for file, result in zip(files, results, strict=True):
        output.add(file, result)
    output.finish({"files": 3})
    output.close()
    assert read_scores(scores_path(submission)) == results
    assert read_meta(scores_path(submission)) == {"files": 3, "provisional": 0}
    assert not journal_path(submission).exists()


def test_the_journal_stays_while_rows_are_provisional(output, submission, files, make_result):
    output.add(files[0], make_result("b.mp4", 0.25))
    output.finish({})
    output.close()
    assert journal_path(submission).exists()
    statuses = [result.status for result in read_scores(scores_path(submission))]
    assert statuses == [Status.OK, Status.PENDING, Status.PENDING]


@pytest.fixture
def full_disk(monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_submission", full)


def test_a_full_disk_does_not_end_a_run(output, full_disk, capsys):
    output.refresh({}, force=True)
    assert "No space left on device; will try again" in capsys.readouterr().err


def test_a_disk_full_at_the_end_is_an_error_and_keeps_the_journal(
    output, submission, files, make_result, full_disk
):
    for file in files:
        output.add(file, make_result(file.name, 0.5))
    with pytest.raises(DfsubmitError, match="No space left on device") as caught:
        output.finish({})
    assert "goes on where it was" in caught.value.hint
    output.close()
    assert journal_path(submission).exists()


def test_a_journal_that_cannot_grow_costs_only_resuming(output, files, make_result, capsys):
    class Full:
        path = "the journal"

        def append(self, file, result):
            raise OSError(28, "No space left on device")

        def close(self, finished):
            journal.close(finished)

    journal, output._journal = output._journal, Full()
    output.add(files[0], make_result("b.mp4", 0.9))
    assert output.results["b.mp4"].label == 1
    assert "the journal" in capsys.readouterr().err


def test_two_runs_may_not_share_an_output(output, submission, files):
    with pytest.raises(UsageError, match="another run"):
        RunOutput(submission, files, 0, {})


def test_metadata_may_hold_what_json_does_not_know(output, submission, tmp_path):
    output.refresh({"where": tmp_path}, force=True)
    assert json.loads((tmp_path / "out.meta.json").read_text())["where"] == str(tmp_path)
