"""Names that are not UTF-8 are found before a grader's reader finds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from commands import dfsubmit

from dfsubmit.media.names import not_utf8_problem
from dfsubmit.output.submission import write_submission

KOREAN = os.fsdecode("한국.mp4".encode("cp949"))


def test_check_fails_with_the_reason_and_the_line_that_renames(tmp_path: Path) -> None:
    data, submission = tmp_path / "my data", tmp_path / "s.csv"
    data.mkdir()
    for name in (KOREAN, "영상.mp4"):
        (data / name).touch()
    names = [path.name for path in data.iterdir()]
    write_submission(submission, [(name, 0) for name in names])
    with pytest.raises(UnicodeDecodeError):  # as a grader's pandas does
        submission.read_text(encoding="utf-8")
    said = dfsubmit("check", submission, "--data", data, code=1)
    assert "1 file name is not UTF-8" in said
    assert r"(the first: \udcc7ѱ\udcb9.mp4, in cp949 한국.mp4)" in said
    assert f"convmv -f cp949 -t utf-8 --notest '{data}'/*" in said
    (data / KOREAN).rename(data / "한국.mp4")
    write_submission(submission, [(path.name, 0) for path in data.iterdir()])
    assert "is valid" in dfsubmit("check", submission, "--data", data)


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ([KOREAN, "real/" + KOREAN], "2 file names are not UTF-8"),
        ([KOREAN, "real/" + KOREAN], "convmv -f cp949 -t utf-8 --notest -r data"),
        ([os.fsdecode(b"caf\xe9.mp4")], "convmv -f ENCODING -t utf-8 --notest data/*"),
    ],
)
def test_subfolders_and_other_encodings(names: list[str], line: str) -> None:
    assert line in not_utf8_problem(names, Path("data"))


def test_utf_8_is_no_problem() -> None:
    assert not_utf8_problem(["한국.mp4", "a.mp4"], Path("data")) == ""
