"""LABELS.csv: every form that is meant is read, everything else is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfsubmit.errors import UsageError
from dfsubmit.evaluation.labels import LabelledFile, labels_of_folders, read_labels


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_labels_groups_and_other_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '\ufefffilename,label,group,method\na.mp4,0,p1,\n"b, c.mp4",FAKE,,swap\nd.jpg,Real,p1,\n',
    )
    assert read_labels(path) == {
        "a.mp4": LabelledFile("a.mp4", 0, "p1", {"method": ""}),
        "b, c.mp4": LabelledFile("b, c.mp4", 1, "", {"method": "swap"}),
        "d.jpg": LabelledFile("d.jpg", 0, "p1", {"method": ""}),
    }


def test_any_bytes_in_a_name_survive(tmp_path: Path) -> None:
    names = read_labels(write(tmp_path, b'label,filename\r\n1,caf\xe9.jpg\r\n0,"a\nb.jpg"\r\n'))
    assert list(names) == [b"caf\xe9.jpg".decode("utf-8", "surrogateescape"), "a\nb.jpg"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "no column 'filename'"),
        ("filename,lable\na,0\n", "no column 'label'"),
        ("filename,label,label\na,0,1\n", "twice"),
        ("filename,label\n", "no rows"),
        ("filename,label\na.jpg,2\n", "line 2: 'a.jpg' has the label '2'"),
        ("filename,label\na.jpg,\n", "line 2: 'a.jpg' has the label ''"),
        ("filename,label\na.jpg,0\na.jpg,0\n", "line 3: 'a.jpg' stands in it twice"),
        ("filename,label\na.jpg\n", "line 2: not 2 columns"),
        ("filename,label\na.jpg,0,1\n", "line 2: not 2 columns"),
        ('filename,label\n"a.jpg,0\n', "labels.csv"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        read_labels(write(tmp_path, content))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.csv"):
        read_labels(tmp_path / "nowhere.csv")


def test_folders_called_real_and_fake_label_a_runs_files(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    path.write_text("filename,label\nreal/a.jpg,0\nset/Fake/b/c.mp4,1\nfake/real/d.mp4,1\n")
    assert labels_of_folders(path) == {
        "real/a.jpg": LabelledFile("real/a.jpg", 0),
        "set/Fake/b/c.mp4": LabelledFile("set/Fake/b/c.mp4", 1),
        "fake/real/d.mp4": LabelledFile("fake/real/d.mp4", 0),
    }


@pytest.mark.parametrize(
    ("rows", "named"),
    [("real/a.jpg,0\nb.jpg,1\n", "1 file in no folder .*: b.jpg"), ("", "no rows")],
)
def test_files_in_no_such_folder_are_named(tmp_path: Path, rows: str, named: str) -> None:
    path = tmp_path / "submission.csv"
    path.write_text("filename,label\n" + rows)
    with pytest.raises(UsageError, match=named) as error:
        labels_of_folders(path)
    assert "--labels" in error.value.hint
