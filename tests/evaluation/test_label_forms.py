"""Labels as spreadsheets write them are read, and names that differ are explained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dfsubmit.cli import main
from dfsubmit.evaluation.labels import read_labels


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    path = tmp_path / "submission.csv"
    path.write_text("filename,label\na.mp4,0\nb.mp4,1\n한국.mp4,1\n")
    return path


def evaluate(submission: Path, content: str | bytes, *more: str) -> Any:
    labels = submission.with_name("labels.csv")
    labels.write_bytes(content if isinstance(content, bytes) else content.encode())
    arguments = ["evaluate", str(submission), "--labels", str(labels), "--samples", "100", *more]
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_delimiter_is_found(tmp_path: Path, mark: str, end: str) -> None:
    path = tmp_path / "labels.csv"
    rows = (("label", "filename", "who, when"), ("fake", "a;b,c.mp4", "x"), ("0", "d.mp4", "y"))
    quoted = ((f'"{cell}"' if mark in cell else cell for cell in row) for row in rows)
    path.write_bytes(end.join(mark.join(row) for row in quoted).encode("utf-8-sig"))
    labels = read_labels(path)
    assert {name: row.label for name, row in labels.items()} == {"a;b,c.mp4": 1, "d.mp4": 0}
    assert labels["d.mp4"].columns == {"who, when": "y"}


def test_korean_windows_is_read_with_a_note(submission: Path) -> None:
    text = "filename,label,출처\na.mp4,0,방송\nb.mp4,1,영화\n한국.mp4,1,영화\n"
    result = evaluate(submission, text.encode("cp949"))
    assert result.exit_code == 0, result.output
    assert "labels.csv is not UTF-8 and was read as cp949" in result.stderr
    assert "By 출처" in result.stdout
    assert "영화" in result.stdout
    assert "cp949" not in evaluate(submission, text).output


def test_what_is_neither_says_so(submission: Path) -> None:
    content = b"filename,label,who\na.mp4,0," + b"caf\xe9\nb.mp4,1,x\n"
    result = evaluate(submission, content + "한국.mp4,1,x\n".encode())
    assert "cp949" not in result.stderr  # one line of UTF-8: the file is
    result = evaluate(submission, content)
    assert "labels.csv is neither UTF-8 nor cp949" in result.stderr


def test_labels_of_other_files_are_ignored_with_their_count(submission: Path) -> None:
    rows = "a.mp4,0\nb.mp4,1\n한국.mp4,1\nx.mp4,0\ny.mp4,1\n"
    result = evaluate(submission, "filename,label\n" + rows, "--json")
    assert json.loads(result.stdout)["files"] == 3
    assert "2 labels of files that" in result.stderr
    assert "ignored (x.mp4, y.mp4)" in result.stderr


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("a", "write names with their suffix: 'a.mp4', not 'a'"),
        ("real/a.mp4", "'real/a.mp4' names a folder, and the run did not"),
        (r"real\a.mp4", "names a folder, and the run did not"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8.mp4", "in another form of Unicode"),
        ("z.mp4", "they have z.mp4, it has a.mp4, b.mp4"),
    ],
)
def test_names_that_differ_are_explained(submission: Path, name: str, hint: str) -> None:
    result = evaluate(submission, f"filename,label\n{name},0\n")
    assert result.exit_code == 2
    assert "the labels name none of its 3 files" in result.stderr
    assert hint in result.stderr


def test_folders_that_the_run_names_are_asked_for(submission: Path) -> None:
    submission.write_text("filename,label\nreal/a.mp4,0\n")
    result = evaluate(submission, "filename,label\na.mp4,0\n")
    assert "write names with their folder, as the run did: 'real/a.mp4'" in result.stderr


@pytest.mark.parametrize("command", ["compare", "calibrate"])
def test_a_csv_where_scores_are_needed_names_the_scores(submission: Path, command: str) -> None:
    labels = submission.with_name("labels.csv")
    labels.write_text("filename,label\na.mp4,0\nb.mp4,1\n")
    arguments = [command, str(submission), "--labels", str(labels)]
    arguments += ["--model", "x"] if command == "calibrate" else []
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "is a CSV of labels, and a file of scores is needed" in result.stderr
    assert "submission.scores.jsonl, which is not there: 'dfsubmit run' writes it" in result.stderr
