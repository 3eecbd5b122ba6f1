"""Every name that a file system allows survives ``submission.csv``; every slip in one is found."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfsubmit.errors import UsageError
from dfsubmit.output.submission import (
    is_whole,
    read_submission,
    validate_submission,
    write_submission,
)

HOSTILE = [
    "plain.mp4",
    " leading and trailing .mp4 ",
    "new\nline.mp4",
    "carriage\rreturn.mp4",
    "both\r\n.mp4",
    "\r",
    "\n",
    'quo"te.mp4',
    '"quoted".mp4',
    "com,ma.mp4",
    "semi;colon\ttab.mp4",
    "=SUM(A1:A9).mp4",
    "+1.mp4",
    "-1.mp4",
    "@x.mp4",
    "#comment.mp4",
    "'apostrophe.mp4",
    "NA",
    "nan",
    "null",
    "filename",
    "001",
    "1e5",
    "한국어.mp4",
    "e\u0301.mp4",  # decomposed: must not be composed
    "\u00e9.mp4",
    "😀.mp4",
    "\ufeffbom.mp4",
    "back\\slash.mp4",
    os.fsdecode(b"latin-\xe9.mp4"),
    os.fsdecode(b"\xff\xfe\x80"),
    "\u2028separator\x85.mp4",
    "\x1b[31m\x01\x7f",
]


def results(names: list[str]) -> list[tuple[str, int]]:
    return [(name, row % 2) for row, name in enumerate(names)]


def expected(names: list[str]) -> list[tuple[str, int]]:
    return sorted(results(names), key=lambda row: os.fsencode(row[0]))


def test_a_plain_submission_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    write_submission(path, [("b.mp4", 1), ("a.jpg", 0)])
    assert path.read_bytes() == b"filename,label\na.jpg,0\nb.mp4,1\n"


def test_rows_are_sorted_by_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    write_submission(path, results(["\ue000", os.fsdecode(b"\xed\xff"), "b", "B"]))
    assert [name for name, _ in read_submission(path)] == [
        "B",
        "b",
        os.fsdecode(b"\xed\xff"),
        "\ue000",
    ]


def test_hostile_names_survive_csv(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    write_submission(path, results(HOSTILE))
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["filename", "label"]
    assert [(name, int(label)) for name, label in rows] == expected(HOSTILE)
    assert read_submission(path) == [(name, str(label)) for name, label in expected(HOSTILE)]
    assert [problem[:24] for problem in validate_submission(path)] == ["2 file names are not UTF"]


def test_hostile_names_survive_pandas(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "submission.csv"
    write_submission(path, results(HOSTILE))
    table = pandas.read_csv(path, encoding_errors="surrogateescape", keep_default_na=False)
    assert list(table.columns) == ["filename", "label"]
    assert table["label"].dtype == "int64"
    rows = zip(table["filename"].tolist(), table["label"].tolist(), strict=True)
    assert list(rows) == expected(HOSTILE)


def test_hostile_names_survive_the_file_system(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in HOSTILE:
        (data / name).write_bytes(b"x")
    path = tmp_path / "submission.csv"
    write_submission(path, results(HOSTILE))
    assert is_whole(path, os.listdir(data))
    assert not is_whole(path, os.listdir(data)[1:])


NAMES = st.binary(min_size=1, max_size=40).filter(lambda raw: not {0, 47} & set(raw))


@given(st.lists(NAMES.map(os.fsdecode), unique=True, min_size=1))
def test_any_bytes_survive(tmp_path: Path, names: list[str]) -> None:
    path = tmp_path / "submission.csv"
    write_submission(path, results(names))
    assert read_submission(path) == [(name, str(label)) for name, label in expected(names)]
    assert all("not UTF-8" in problem for problem in validate_submission(path))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "an empty file"),
        ("filename;label\na;0\n", "the first line"),
        ("label,filename\n0,a.mp4\n", "the first line"),
        ("filename,label\n", "no rows"),
        ("filename,label\na.mp4,2\n", "1 label neither 0 nor 1"),
        ("filename,label\na.mp4,0.0\n", "1 label neither 0 nor 1"),
        ("filename,label\na.mp4,\n", "1 label neither 0 nor 1"),
        ("filename,label\na.mp4, 1\n", "1 label neither 0 nor 1"),
        ("filename,label\na.mp4,0\na.mp4,1\n", "more than one row"),
        ("filename,label\na.mp4\n", "row 2 has 1 column,"),
        ("filename,label\na,b.mp4,0\n", "row 2 has 3 columns"),
        ('filename,label\n"a.mp4,0\n', "submission.csv"),
        ("filename,label\na.mp4,0\n\n", "row 3 has 0 columns"),
    ],
)
def test_a_slip_in_the_form_is_found(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "submission.csv"
    path.write_text(text)
    (found,) = validate_submission(path)
    assert problem in found


def test_a_missing_submission_is_a_problem(tmp_path: Path) -> None:
    (found,) = validate_submission(tmp_path / "submission.csv")
    assert "No such file" in found


def test_rows_are_held_against_the_files(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("a.mp4", "b.mp4", ".hidden"):
        (data / name).write_bytes(b"x")
    path = tmp_path / "submission.csv"
    write_submission(path, results(["a.mp4", "c\n.mp4"]))
    assert validate_submission(path, data) == [
        "1 file without a row: b.mp4",
        r"1 row without a file: c\n.mp4",
    ]


def test_many_problems_of_a_kind_make_one_line(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    path.write_text("filename,label\n" + "".join(f"{n}.mp4,7\n" for n in range(9)))
    (found,) = validate_submission(path)
    assert found.startswith("9 labels neither 0 nor 1: 0.mp4: '7', ")
    assert found.endswith(" and 4 more")


def test_a_missing_data_folder_is_the_users_error(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    write_submission(path, results(["a.mp4"]))
    with pytest.raises(UsageError, match="gone"):
        validate_submission(path, tmp_path / "gone")
