"""Faces that were cut in shards, merged, are those of one extraction."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import dfsubmit

from dfsubmit.errors import UsageError
from dfsubmit.extraction.journal import JOURNAL
from dfsubmit.extraction.merging import RECORD, merge_faces
from dfsubmit.recipe import RECIPE_FILE
from dfsubmit.shards import Shard

COMMON = ("--already-cropped", "--workers", 1, "--no-progress")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``faces`` of a set of eight, and its two shards."""
    folder = tmp_path_factory.mktemp("faces")
    random = np.random.default_rng(0)
    for name in (f"{label}/{name}" for label in ("real", "fake") for name in "abcd"):
        path = folder / "set" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), random.integers(0, 256, (40, 30, 3), np.uint8))
    (folder / "set" / "real" / "e.png").write_bytes(b"no picture")
    for shard in ((), ("--shard", "1/2"), ("--shard", "2/2")):
        dfsubmit("extract", folder / "set", folder / "faces", *COMMON, *shard)
    return folder


def lines_of(folder: Path) -> list[bytes]:
    header, *entries = (folder / JOURNAL).read_bytes().splitlines()
    return [header, *sorted(entries)]


def test_merged_shards_are_the_undivided_extraction(made: Path, tmp_path: Path) -> None:
    parts = [made / "faces-1-of-2", made / "faces-2-of-2"]
    assert all((part / "faces.csv").read_text().count("\n") > 1 for part in parts)
    shown = dfsubmit("merge", tmp_path / "faces", *parts)
    assert "faces: 4 real, 4 fake\nfiles: 8 ok, 1 unreadable\n" in shown
    theirs, ours = made / "faces", tmp_path / "faces"
    for name in ("faces.csv", RECIPE_FILE):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    assert lines_of(ours) == lines_of(theirs)
    crops = sorted(path.relative_to(theirs) for path in theirs.rglob("0*.png"))
    assert crops == sorted(path.relative_to(ours) for path in ours.rglob("0*.png"))
    assert all((ours / crop).read_bytes() == (theirs / crop).read_bytes() for crop in crops)
    # A whole extraction takes over what was merged.
    again = dfsubmit("extract", made / "set", ours, *COMMON)
    assert "(9 before)" in again


def test_what_does_not_belong_together_is_refused(made: Path, tmp_path: Path) -> None:
    first, second = made / "faces-1-of-2", made / "faces-2-of-2"
    with pytest.raises(UsageError, match="1 of 2 shards are missing: 2/2"):
        merge_faces(tmp_path / "out", [first])
    other = tmp_path / "faces"
    dfsubmit("extract", made / "set", other, *COMMON, "--frames", 7, "--shard", "2/2")
    with pytest.raises(UsageError, match="another frames"):
        merge_faces(tmp_path / "out", [first, Shard(2, 2).beside(other, folder=True)])
    with pytest.raises(UsageError, match="is one of the parts"):
        merge_faces(first, [first, second])
    assert not (tmp_path / "out").exists()


def test_a_file_in_two_parts_is_refused(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in (JOURNAL, "faces.csv", RECIPE_FILE):
        (copy / name).write_bytes((made / "faces-1-of-2" / name).read_bytes())
    assert not (copy / RECORD).exists()
    with pytest.raises(UsageError, match=r"is in .* and in"):
        merge_faces(tmp_path / "out", [copy, made / "faces"])
