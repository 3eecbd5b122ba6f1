"""Crops on disk → batches: the same pixels as a run's, and labels in the model's own order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dfsubmit.errors import DfsubmitError
from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.finetuning.data.augment import STRENGTHS
from dfsubmit.finetuning.data.dataset import (
    Collator,
    LearningFaces,
    ValidationFaces,
    read_crop,
    unreadable_crops,
)
from dfsubmit.finetuning.data.epochs import Draw
from dfsubmit.recipe import Recipe

SIZE = Preprocessor(32, 32)


@pytest.fixture
def crops(tmp_path: Path) -> list[Path]:
    chance = np.random.default_rng(0)
    paths = [tmp_path / f"{n}.png" for n in range(2)]
    for path in paths:
        cv2.imwrite(str(path), chance.integers(0, 256, (50, 40, 3), np.uint8))
    return paths


def test_validation_sees_what_a_run_sees(crops: list[Path]) -> None:
    faces = ValidationFaces(crops, [0, 1], SIZE, classes=(1, 0))
    items = [faces[0], faces[1]]
    assert (items[0]["pixels"] == SIZE.resize(read_crop(crops[0]))).all()
    assert (read_crop(crops[0])[:, :, ::-1] == cv2.imread(str(crops[0]))).all()
    batch = Collator(SIZE)(items)
    assert batch["labels"].tolist() == [1, 0]
    assert batch["pixel_values"].dtype == torch.float32
    expected = SIZE.normalise(np.stack([item["pixels"] for item in items]))
    assert (batch["pixel_values"].numpy() == expected).all()


def test_a_draw_decides_everything_about_its_example(crops: list[Path]) -> None:
    plain = ValidationFaces(crops, [0, 1], SIZE)
    faces = LearningFaces(plain, STRENGTHS["strong"], [(0, 0, 40, 50)] * 2, Recipe())
    first, again, other = (faces[Draw(0, "plain", (0, 0, n))] for n in (1, 1, 2))
    assert (first["pixels"] == again["pixels"]).all()
    assert (first["pixels"] != other["pixels"]).any()
    assert first["label"] == 0
    assert [faces[Draw(0, look, (0, 0, 1))]["label"] for look in ("real", "blend")] == [0, 1]


def test_without_augmentation_only_a_blend_changes_a_face(crops: list[Path]) -> None:
    plain = ValidationFaces(crops, [0, 1], SIZE)
    faces = LearningFaces(plain, None, [(0, 0, 40, 50)] * 2, Recipe())
    assert (faces[Draw(1, "plain", (0, 0, 0))]["pixels"] == plain[1]["pixels"]).all()
    assert (faces[Draw(0, "blend", (0, 0, 0))]["pixels"] != plain[0]["pixels"]).any()


def test_unreadable_crops_are_found(crops: list[Path], tmp_path: Path) -> None:
    torn, empty = tmp_path / "torn.png", tmp_path / "empty.png"
    torn.write_bytes(crops[0].read_bytes()[:40])
    empty.write_bytes(b"")
    absent = tmp_path / "absent.png"
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    paths = [*crops, torn, empty, absent, pipe, torn]
    assert unreadable_crops(paths, progress=False) == {torn, empty, absent, pipe}
    for path in (torn, empty, absent, pipe):
        with pytest.raises(DfsubmitError, match=path.name):
            read_crop(path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="loaders fork their workers only where it is")
def test_workers_forked_beside_opencvs_threads_do_not_hang() -> None:
    code = (
        "import os, signal, cv2, numpy\n"
        "from dfsubmit.finetuning.data.dataset import single_threaded\n"
        "cv2.setNumThreads(4)\n"
        "picture = numpy.zeros((2000, 2000, 3), numpy.uint8)\n"
        "cv2.GaussianBlur(cv2.resize(picture, (3000, 3000)), (31, 31), 5)\n"
        "single_threaded()\n"
        "worker = os.fork()\n"
        "if worker == 0:\n"
        "    signal.alarm(60)\n"
        "    single_threaded(0)\n"
        "    cv2.GaussianBlur(picture, (31, 31), 5)\n"
        "    os._exit(0)\n"
        "assert os.waitpid(worker, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
