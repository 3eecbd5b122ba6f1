"""faces.csv: what is written is read back, and damage is named by its line."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from dfsubmit.errors import UsageError
from dfsubmit.extraction.index import FaceRow, read_index, write_index
from dfsubmit.recipe import BUILT_IN

ROW = FaceRow(
    crop='crops/가 "x",;.mp4/000001.png',
    label=1,
    method="Deepfakes",
    dataset="faceforensics",
    compression="c40",
    video="Deepfakes/\udcff.mp4",
    group="faceforensics:000",
    identities=("faceforensics:000", "faceforensics:003"),
    split="val",
    frame=1,
    time=0.04,
    box=(-3, 0, 20, 30),
)


def test_rows_and_recipe_survive_a_round_trip(tmp_path: Path) -> None:
    recipe = BUILT_IN["organiser-baseline"]
    write_index(tmp_path, [ROW], recipe)
    assert read_index(tmp_path) == ([ROW], recipe)
    with (tmp_path / "faces.csv").open(errors="surrogateescape", newline="") as stream:
        assert next(csv.DictReader(stream))["label"] == "fake"


def test_landmarks_have_a_column_where_there_are_any(tmp_path: Path) -> None:
    write_index(tmp_path, [ROW], BUILT_IN["dfsubmit"])
    assert b"landmarks" not in (tmp_path / "faces.csv").read_bytes()
    rows = [ROW, replace(ROW, landmarks="1.0 2.5 -3.0 4.0")]
    write_index(tmp_path, rows, BUILT_IN["deepfakebench"])
    assert read_index(tmp_path) == (rows, BUILT_IN["deepfakebench"])


@pytest.mark.parametrize("damage", [b"1.0 2.5 -3.0", b"1.0 nan -3.0 4.0", b"1.0 2.5 -3.0 x"])
def test_damaged_landmarks_are_named(tmp_path: Path, damage: bytes) -> None:
    text = "1.0 2.5 -3.0 4.0"
    write_index(tmp_path, [ROW, replace(ROW, landmarks=text)], BUILT_IN["dfsubmit"])
    path = tmp_path / "faces.csv"
    path.write_bytes(path.read_bytes().replace(text.encode(), damage))
    with pytest.raises(UsageError, match="line 3"):
        read_index(tmp_path)


def test_damage_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"faces\.csv") as error:
        read_index(tmp_path)
    assert "dfsubmit extract" in error.value.hint
    write_index(tmp_path, [ROW, ROW], BUILT_IN["dfsubmit"])
    path = tmp_path / "faces.csv"
    path.write_bytes(path.read_bytes().replace(b"-3 0 20 30", b"-3 0 20", 1))
    with pytest.raises(UsageError, match="line 2"):
        read_index(tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"crops/", b"../crops/"),
        (b"crops/", b"/crops/"),
        (b"crops/", b"crops/../../"),
        (b"crops/", b"crops/\0"),
        (b",1,0.04,", b",-1,0.04,"),
        (b",1,0.04,", b",1,nan,"),
        (b",1,0.04,", b",1,-0.04,"),
        (b",1,0.04,", b",0.04,"),
        (b",1,0.04,", b",1,0.04,3,"),
        (b",fake,", b",maybe,"),
    ],
)
def test_a_line_that_says_something_else_is_refused(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    """A crop's path above all: fine-tuning would read whatever it names."""
    write_index(tmp_path, [ROW], BUILT_IN["dfsubmit"])
    path = tmp_path / "faces.csv"
    assert before in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(before, after))
    with pytest.raises(UsageError, match=r"faces\.csv"):
        read_index(tmp_path)
