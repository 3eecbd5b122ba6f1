"""extract → finetune → model folder on a synthetic FaceForensics++ tree, killed and resumed too."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import shutil
import signal
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from commands import dfsubmit, finish, start
from faceforensics import FRAMES, PAIRS, make_tree

from dfsubmit.extraction.index import read_index, write_index
from dfsubmit.models.folder import open_model
from dfsubmit.options import RunOptions
from dfsubmit.pipeline import run
from dfsubmit.recipe import Recipe, load_recipe

pytestmark = pytest.mark.slow

TINY = ["--base", "scratch:tiny", "--image-size", "64", "--lr", "1e-3", "--no-progress"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `make_tree`."""
    root = tmp_path_factory.mktemp("FaceForensics++")
    make_tree(root)
    return root


@pytest.fixture(scope="module")
def faces(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree's faces as ``dfsubmit extract`` leaves them."""
    folder = tmp_path_factory.mktemp("faces")
    dfsubmit("extract", tree, folder, "--frames", FRAMES, "--workers", 1, "--no-progress")
    return folder


def figures(model: Path) -> dict[str, object]:
    """What ``metrics.json`` says that must not depend on the clock."""
    data = json.loads((model / "metrics.json").read_text())
    for entry in data["history"]:
        for key in ("runtime", "samples_per_second", "steps_per_second"):
            entry.pop(key, None)
    return {
        key: data[key]
        for key in ("history", "losses", "best_step", "validation", "chosen_on", "methods")
    }


def test_extract_keeps_videos_of_one_name_apart_and_counts_failures(faces: Path) -> None:
    rows, recipe = read_index(faces)
    assert recipe == Recipe()
    videos = {row.video for row in rows}
    assert len(videos) == 5 * len(PAIRS)
    assert "manipulated_sequences/Deepfakes/c40/videos/000_003.mp4" in videos
    assert "manipulated_sequences/FaceSwap/c40/videos/000_003.mp4" in videos
    assert all((faces / row.crop).is_file() for row in rows)
    assert len({row.crop for row in rows}) == len(rows) == 5 * len(PAIRS) * FRAMES
    assert {row.group for row in rows} == {f"faceforensics:{min(pair)}" for pair in PAIRS}
    journal = [json.loads(line) for line in (faces / "extracted.jsonl").read_text().splitlines()]
    failed = [entry["name"] for entry in journal[1:] if entry["status"] != "ok"]
    assert failed == ["original_sequences/youtube/c40/videos/999.mp4"]


def test_extract_goes_on_where_it_was_and_refuses_another_recipe(
    tree: Path, faces: Path, tmp_path: Path
) -> None:
    journal = (faces / "extracted.jsonl").read_text().splitlines(keepends=True)
    # As a kill leaves it: some files done, the last line torn.
    (tmp_path / "extracted.jsonl").write_text("".join(journal[:8]) + journal[8][:20])
    shutil.copytree(faces / "crops", tmp_path / "crops")
    options = ["--frames", FRAMES, "--workers", 1, "--no-progress"]
    output = dfsubmit("extract", tree, tmp_path, *options)
    assert "(7 before)" in output
    assert (tmp_path / "faces.csv").read_text() == (faces / "faces.csv").read_text()
    output = dfsubmit("extract", tree, tmp_path, *options, "--recipe", "organiser-baseline", code=2)
    assert "cut in another way" in output


def test_finetune_makes_a_model_folder_that_can_be_run(
    tree: Path, faces: Path, tmp_path: Path
) -> None:
    output = tmp_path / "model"
    text = dfsubmit(
        "finetune",
        faces,
        "--output",
        output,
        *TINY,
        "--epochs",
        4,
        "--zip",
        "--workers",
        0,
        "--augment",
        "standard",
        "--balance",
    )
    assert "kept: step" in text
    figures_line = next(line for line in text.splitlines() if line.startswith("validation: "))
    assert "AUC 1.000 [" in figures_line
    assert "too few groups (1); chosen on 1 group" in figures_line
    model = open_model(output)
    assert model.recipe_known
    assert model.recipe == load_recipe(faces / "dfsubmit_recipe.json")
    assert model.id2label == {0: "Real", 1: "Fake"}
    assert open_model(tmp_path / "model.zip").sha256 == model.sha256
    with zipfile.ZipFile(tmp_path / "model.zip") as bundle:
        names = {name.removeprefix("model/") for name in bundle.namelist()}
    assert {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "README.md",
        "dfsubmit_recipe.json",
        "split.csv",
        "metrics.json",
        "curves.png",
    } == names
    assert not (output / "checkpoints").exists()
    # The tint is plain to see: a chain that works learns it.
    assert figures(output)["validation"]["auc"] > 0.95  # type: ignore[index]
    with (output / "split.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    sides = [{row["group"] for row in rows if row["split"] == side} for side in ("learn", "val")]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]
    card = (output / "README.md").read_text()
    assert "no identity group stands on both sides" in card
    assert figures_line.removeprefix("validation: ").split(";")[0] in card
    assert "FaceSwap" in card
    _run_obeys_the_recipe(output, tree, tmp_path)


def _run_obeys_the_recipe(model: Path, tree: Path, scratch: Path) -> None:
    """Without flags the recipes are equal by construction; another flag is warned of."""
    data = scratch / "data"
    data.mkdir()
    for kind in ("original_sequences/youtube", "manipulated_sequences/FaceSwap"):
        for path in (tree / kind / "c40/videos").glob("0[01]*.mp4"):
            shutil.copy(path, data / f"{kind.split('/')[1]}_{path.name}")
    options = RunOptions(
        model=model,
        data=data,
        output=scratch / "submission.csv",
        loader="huggingface",
        workers=1,
        fallback=None,
        progress=False,
    )
    said: list[str] = []
    summary = run(options, said.append)
    assert summary.meta["recipe"] == load_recipe(model).to_dict()
    assert not [line for line in said if "not made for" in line]
    assert summary.failed == 0
    scores: dict[bool, list[float]] = {True: [], False: []}
    for result in summary.results:
        scores[result.filename.startswith("FaceSwap")].append(result.p_fake or 0.0)
    assert min(scores[True]) > max(scores[False])
    run(dataclasses.replace(options, recipe="organiser-baseline"), said.append)
    warning = next(line for line in said if "not made for" in line)
    assert "margin" in warning


def test_several_folders_a_held_out_one_and_a_teacher(
    tree: Path, faces: Path, tmp_path: Path
) -> None:
    """Two data sets teach together, a third only tests; a student learns from the outcome."""
    folders = [faces]
    for name, seed in (("second", 0), ("stranger", 3)):
        listing = tmp_path / f"{name}.csv"
        with listing.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("path", "label", "group"))
            for pair in PAIRS[seed : seed + 3]:
                for path in sorted(tree.glob(f"*/*/c40/videos/{pair[0]}*.mp4")):
                    label = "real" if "original" in str(path) else "fake"
                    writer.writerow((path, label, pair[0]))
        folders.append(tmp_path / name)
        dfsubmit("extract", listing, folders[-1], "--frames", 2, "--workers", 1, "--no-progress")
    options = [*TINY, "--epochs", 4, "--workers", 0, "--hold-out", "stranger"]
    teacher, student = tmp_path / "teacher", tmp_path / "student"
    dfsubmit("finetune", *folders, "--output", teacher, *options)
    data = json.loads((teacher / "metrics.json").read_text())
    assert list(data["test"]) == ["stranger"]
    # Each data set that validates has its own figures at every evaluation.
    datasets = {key.split("/")[0] for key in data["history"][0] if "/" in key}
    assert datasets == {"faceforensics", "second"}
    with (teacher / "split.csv").open() as stream:
        sides = {(row["dataset"], row["split"]) for row in csv.DictReader(stream)}
    assert sides == {("stranger", "test")} | {
        (name, side) for name in ("faceforensics", "second") for side in ("learn", "val")
    }
    assert "test: stranger" in (teacher / "README.md").read_text()
    dfsubmit("finetune", *folders, "--output", student, *options, "--teacher", teacher)
    card = (student / "README.md").read_text()
    assert "| teacher | teacher (" in card
    # The teacher moved the student away from what the labels alone made of the same seed.
    assert (student / "model.safetensors").read_bytes() != (
        teacher / "model.safetensors"
    ).read_bytes()
    assert figures(student)["losses"] != figures(teacher)["losses"]
    assert figures(student)["validation"]["auc"] > 0.9  # type: ignore[index]


def test_a_killed_and_resumed_run_ends_equal(faces: Path, tmp_path: Path) -> None:
    options = [
        *TINY,
        "--epochs",
        6,
        "--batch-size",
        8,
        *("--eval-steps", 5),
        *("--workers", 0),
        *("--augment", "strong"),
        *("--self-blend", 0.3),
        *("--ema", 0.9),
    ]
    dfsubmit("finetune", faces, "--output", tmp_path / "whole", *options)
    killed = start("finetune", faces, "--output", tmp_path / "killed", *options)
    checkpoints = tmp_path / "killed" / "checkpoints"
    while not list(checkpoints.glob("checkpoint-1?/complete.json")):
        assert killed.poll() is None, killed.communicate()[0]
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "killed" / "config.json").exists()
    other = dfsubmit(
        "finetune", faces, "--output", tmp_path / "killed", *options, "--seed", 1, code=2
    )
    assert "another seed" in other
    newest = max(path.parent for path in checkpoints.glob("checkpoint-1?/complete.json"))
    (newest / "optimizer.pt").write_bytes(b"half")
    assert "is damaged" in finish(
        start("finetune", faces, "--output", tmp_path / "killed", *options)
    )
    assert figures(tmp_path / "killed") == figures(tmp_path / "whole")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]


def test_two_processes_through_torchrun(faces: Path, tmp_path: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    options = [*TINY, "--device", "cpu", "--workers", 0, "--ema", 0.9]
    options += ["--epochs", 2, "--batch-size", 4]
    output = finish(
        start("finetune", faces, "--output", tmp_path / "m", *options, launcher=launcher)
    )
    assert output.count("model: ") == 1
    rows, _ = read_index(faces)
    data = json.loads((tmp_path / "m" / "metrics.json").read_text())
    steps = 2 * math.ceil(math.ceil(data["split"]["learn"] / 4) / 2)
    assert f"steps: {steps}" in output
    assert data["history"][-1]["step"] == steps
    assert data["split"]["learn"] + data["split"]["validate"] == len(rows)
    assert open_model(tmp_path / "m").id2label == {0: "Real", 1: "Fake"}


def test_exp_004s_defaults_on_a_vit_base(faces: Path, tmp_path: Path) -> None:
    """A ViT-Base with everything as EXP-004 had it, for the steps of two videos of each class."""
    rows, recipe = read_index(faces)
    few = [row for row in rows if row.group in {"faceforensics:000", "faceforensics:005"}]
    write_index(tmp_path, few, recipe)
    (tmp_path / "crops").symlink_to(faces / "crops")
    output = tmp_path / "m"
    options = ["--base", "scratch:base", "--preset", "exp-004", "--epochs", 1, "--val", 0.5]
    dfsubmit("finetune", tmp_path, "--output", output, *options, "--no-progress")
    data = json.loads((output / "metrics.json").read_text())
    assert data["options"]["lr"] == 2e-5
    assert data["options"]["batch_size"] == 16
    assert data["options"]["schedule"] == "linear"
    assert data["parameters"][1] > 85_000_000
    assert data["history"][-1]["step"] == 2
    assert np.isfinite(data["history"][-1]["loss"])
