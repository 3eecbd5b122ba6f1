"""What extract and finetune make of crops, before the first step: counts, warnings, refusals."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import dfsubmit

from dfsubmit.extraction.index import FaceRow, read_index, write_index
from dfsubmit.recipe import Recipe

DRY = ["--base", "scratch:tiny", "--image-size", "32", "--dry-run", "--no-progress"]


def rows(people: int, frames: int = 2) -> list[FaceRow]:
    """One real and one fake video for each person, all of whose crops are one file."""
    return [
        FaceRow(
            "crop.png",
            label,
            "swap" if label else "original",
            "synthetic",
            "",
            f"{person}-{label}.mp4",
            f"p{person}",
            (f"p{person}",),
            "",
            frame,
            frame / 10,
            (0, 0, 40, 40),
        )
        for person in range(people)
        for label in (0, 1)
        for frame in range(frames)
    ]


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A folder as extract leaves it."""
    folder = tmp_path / "faces"
    folder.mkdir()
    crop = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    cv2.imwrite(str(folder / "crop.png"), crop)
    write_index(folder, rows(10), Recipe())
    return folder


def test_already_cropped_files_are_taken_whole(tmp_path: Path) -> None:
    crop = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    for name in ("real", "fake"):
        (tmp_path / "set" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "set" / name / "a.png"), crop)
    recipe = dataclasses.replace(Recipe(), name="tight", margin=0.0)
    (tmp_path / "recipe.json").write_text(recipe.to_json())
    dfsubmit(
        "extract",
        tmp_path / "set",
        tmp_path / "faces",
        "--already-cropped",
        "--recipe",
        tmp_path / "recipe.json",
        "--workers",
        1,
        "--no-progress",
    )
    rows, kept = read_index(tmp_path / "faces")
    assert kept == recipe
    for row in rows:
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / "faces" / row.crop)), crop)


@pytest.mark.parametrize("split", ["group", "frame"])
def test_dry_run_counts_exp_004s_steps(faces: Path, tmp_path: Path, split: str) -> None:
    """4,800 + 1,200 crops, 3 epochs of batch 16: 900 steps, of which 90 warm up."""
    write_index(faces, rows(100, frames=30), Recipe())
    output = dfsubmit("finetune", faces, "--output", tmp_path / "m", *DRY, "--split", split)
    assert "learn: 4,800 faces (2,400 real, 2,400 fake)" in output
    assert "validate: 1,200 faces (600 real, 600 fake)" in output
    assert "steps: 900 (300 an epoch), warm-up 90, an evaluation every 200" in output
    assert "time: about" in output
    assert not (tmp_path / "m").exists()
    assert ("identity groups stand on both sides" in output) == (split == "frame")


def test_few_groups_to_validate_on_are_warned_of(faces: Path, tmp_path: Path) -> None:
    warning = "identity groups to validate on"
    assert f"only 2 {warning}" in dfsubmit("finetune", faces, "--output", tmp_path / "m", *DRY)
    write_index(faces, rows(50, frames=1), Recipe())
    assert warning not in dfsubmit("finetune", faces, "--output", tmp_path / "m", *DRY)


def test_few_steps_are_evaluated_four_times(faces: Path, tmp_path: Path) -> None:
    output = dfsubmit("finetune", faces, "--output", tmp_path / "m", *DRY)
    assert "steps: 6 (2 an epoch), warm-up 1, an evaluation every 2" in output


def test_unreadable_crops_are_left_out_and_counted(faces: Path, tmp_path: Path) -> None:
    found, recipe = read_index(faces)
    (faces / "torn.png").write_bytes((faces / "crop.png").read_bytes()[:30])
    found[0] = dataclasses.replace(found[0], crop="torn.png")
    found[1] = dataclasses.replace(found[1], crop="missing.png")
    write_index(faces, found, recipe)
    output = dfsubmit("finetune", faces, "--output", tmp_path / "m", *DRY)
    assert "2 unreadable crops are left out" in output
    counts = [int(line.split()[1]) for line in output.splitlines() if " faces (" in line]
    assert sum(counts) == 38


def test_faces_cut_in_two_ways_do_not_mix(faces: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_index(other, rows(2), dataclasses.replace(Recipe(), margin=0.3))
    output = dfsubmit("finetune", faces, other, "--output", tmp_path / "m", *DRY, code=2)
    assert "margin 0.4 and 0.3" in output


def test_a_class_that_is_not_there_and_a_single_group_are_refused(
    faces: Path, tmp_path: Path
) -> None:
    write_index(faces, [row for row in rows(10) if row.label == 0], Recipe())
    output = dfsubmit("finetune", faces, "--output", tmp_path / "m", *DRY, code=2)
    assert "no fake face" in output
    write_index(faces, rows(1), Recipe())
    output = dfsubmit("finetune", faces, "--output", tmp_path / "m", *DRY, code=2)
    assert "one identity group" in output


def test_blends_of_more_than_every_other_real_face_need_pairs(faces: Path, tmp_path: Path) -> None:
    options = [faces, "--output", tmp_path / "m", *DRY, "--self-blend", 0.6]
    assert "--balance" in dfsubmit("finetune", *options, code=2)
    assert "time: about" in dfsubmit("finetune", *options, "--balance")


def test_a_folder_that_holds_a_model_is_not_overwritten(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    options = [option for option in DRY if option != "--dry-run"]
    output = dfsubmit("finetune", faces, "--output", tmp_path / "m", *options, code=2)
    assert "holds a model already" in output


def test_bf16_is_refused_where_the_cpu_has_none(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = ["--base", "scratch:tiny", "--image-size", 32, "--precision", "bf16", "--device", "cpu"]
    options = [faces, "--output", tmp_path / "m", *base, "--dry-run", "--no-progress"]
    monkeypatch.setattr("dfsubmit.finetuning.preparation.cpu_has_bf16", lambda: False)
    assert "this CPU has no bf16 instructions" in dfsubmit("finetune", *options, code=2)
    monkeypatch.setattr("dfsubmit.finetuning.preparation.cpu_has_bf16", lambda: True)
    assert "steps:" in dfsubmit("finetune", *options)


def test_no_faces_at_all(tmp_path: Path) -> None:
    output = dfsubmit("finetune", tmp_path, "--output", tmp_path / "m", *DRY, code=2)
    assert "dfsubmit extract" in output
