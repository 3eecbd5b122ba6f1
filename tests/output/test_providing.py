"""The files of a run before it begins: an earlier submission, links, leftovers, other runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dfsubmit.errors import UsageError
from dfsubmit.files import write_atomically
from dfsubmit.output.run_files import RunOutput
from dfsubmit.output.scores import read_meta, scores_path
from dfsubmit.output.submission import validate_submission
from dfsubmit.records import MediaFile

Files = list[MediaFile]


def test_a_submission_is_provided_and_withdrawn(submission: Path, files: Files, data: Path) -> None:
    output = RunOutput(submission, files, 1)
    output.provide()
    assert validate_submission(submission, data) == []
    meta = read_meta(scores_path(submission))
    assert meta.pop("run")
    assert meta == {"complete": False, "provisional": 3}
    output.withdraw()
    output.close()
    assert not submission.exists()
    assert read_meta(scores_path(submission)) == {}


def test_an_earlier_valid_submission_is_kept_and_not_withdrawn(
    output: RunOutput, submission: Path, data: Path
) -> None:
    earlier = "filename,label\na.jpg,0\nb.mp4,0\nc.mp4,1\n"
    submission.write_text(earlier)
    output.provide()
    output.withdraw()
    assert submission.read_text() == earlier


@pytest.mark.parametrize("suffix", [".csv", ".scores.jsonl", ".meta.json", ".journal.jsonl"])
def test_outputs_that_are_no_regular_files_are_refused(
    tmp_path: Path, files: Files, suffix: str
) -> None:
    os.mkfifo(tmp_path / f"out{suffix}")
    with pytest.raises(UsageError, match=rf"out{suffix} cannot be written"):
        RunOutput(tmp_path / "out.csv", files, 0)
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]


def test_a_link_survives_being_provided_and_withdrawn(
    submission: Path, files: Files, data: Path, tmp_path: Path
) -> None:
    submission.symlink_to(tmp_path / "elsewhere.csv")
    output = RunOutput(submission, files, 1)
    output.provide()
    assert validate_submission(tmp_path / "elsewhere.csv", data) == []
    output.withdraw()
    output.close()
    assert submission.is_symlink()
    assert not submission.exists()


def test_an_earlier_submission_of_other_files_is_replaced(
    output: RunOutput, submission: Path, data: Path
) -> None:
    submission.write_text("filename,label\nx.jpg,0\n")
    output.provide()
    assert validate_submission(submission, data) == []


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
