"""A model that has to see faces first sees the run's own, the same ones every time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from dfsubmit import RunOptions, run
from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.media.listing import list_media
from dfsubmit.recipe import Recipe
from dfsubmit.records import Status
from dfsubmit.scoring.first_faces import FACES_OF_A_FILE, calibrate, calibration_key
from dfsubmit.workers.pool import WorkerPool

SETTINGS = ScanSettings(Recipe(), Preprocessor(height=8, width=8))


@pytest.fixture
def shown(fake_model):
    """Calibrates a model that wants so many faces; returns what it was shown, call by call."""

    def show(files, wanted, workers=1):
        model, calls = fake_model(), []
        model.calibration_images = wanted
        model.calibrate = calls.append
        with WorkerPool(SETTINGS, workers) as pool:
            assert calibrate(model, files, pool) == []
        return calls

    return show


def test_the_same_files_show_the_same_faces(samples, shown):
    files = list_media(samples)
    (alone,) = shown(files, 10, workers=1)
    (together,) = shown(files, 10, workers=3)
    assert alone.shape == (10, 8, 8, 3)
    np.testing.assert_array_equal(alone, together)


def test_a_run_with_too_few_faces_shows_them_all(samples, shown):
    files = [file for file in list_media(samples) if file.name in ("face.jpg", "zoom.mp4")]
    (faces,) = shown(files, 64)
    assert len(faces) == 1 + FACES_OF_A_FILE


def test_it_goes_on_until_there_are_enough(samples, shown):
    """Two files are looked at in the first go, and these first two have no face."""
    names = ("broken.mp4", "no_face.jpg", "face.jpg", "face.png", "pan.mp4", "zoom.mp4")
    files = {file.name: file for file in list_media(samples)}
    (faces,) = shown([files[name] for name in names], 8)
    assert len(faces) == 8


def test_without_faces_nothing_is_called(samples, shown):
    assert shown([file for file in list_media(samples) if "no_face" in file.name], 8) == []
    assert shown([], 8) == []


def test_other_models_cost_no_scan(fake_model):
    assert calibrate(fake_model(), ["not even looked at"], None) == []


def test_a_model_that_recalls_costs_no_scan(samples, fake_model):
    model, keys = fake_model(), []
    model.calibration_images, model.warnings = 8, ["labels may move"]
    model.recall = lambda key: not keys.append(key)
    pool = WorkerPool(SETTINGS, 1)
    assert calibrate(model, list_media(samples), pool) == ["labels may move"]
    assert keys == [calibration_key(list_media(samples), pool)]
    assert pool.pids() == []


def test_the_key_holds_the_files_and_how_they_are_cut(samples):
    files = list_media(samples)
    key = calibration_key(files, WorkerPool(SETTINGS))
    assert calibration_key(list_media(samples), WorkerPool(SETTINGS, 3)) == key
    touched = dataclasses.replace(files[0], mtime_ns=1)
    larger = ScanSettings(Recipe(), Preprocessor(height=16, width=16))
    tighter = ScanSettings(Recipe(margin=0.1), Preprocessor(height=8, width=8))
    others = [
        calibration_key(files[1:], WorkerPool(SETTINGS)),
        calibration_key([touched, *files[1:]], WorkerPool(SETTINGS)),
        calibration_key(files, WorkerPool(larger)),
        calibration_key(files, WorkerPool(tighter)),
    ]
    assert len({key, *others}) == 5


PLUGIN = """
import numpy as np
from dfsubmit.hooks.hookspecs import hookimpl
from dfsubmit.faces.preprocess import load_preprocessor


class Model:
    id2label, device, precision = {0: "Real", 1: "Fake"}, "cpu", "int8"
    calibration_images = 6

    def __init__(self, folder):
        self.preprocessor = load_preprocessor(folder)

    def calibrate(self, pixels):
        assert len(pixels) == 6
        self.calibration_images = 0
        self.arithmetic, self.warnings = "six faces' worth", ["labels may move"]

    def logits(self, pixels):
        assert self.calibration_images == 0, "scored before it was calibrated"
        return np.zeros((len(pixels), 2), np.float32)


class Loader:
    def rank(self, request):
        return 99

    def load(self, request):
        return Model(request.folder)


@hookimpl
def register_model_loaders(register):
    register("wants-faces", Loader())
"""


def test_a_run_calibrates_before_it_scores(samples: Path, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "wants_faces.py").write_text(PLUGIN)
    options = RunOptions(
        model=tiny_model,
        data=samples,
        output=tmp_path / "submission.csv",
        frames=2,
        fallback=None,
        plugins_dir=(str(tmp_path / "plugins"),),
        progress=False,
    )
    summary = run(options)
    assert sum(result.status is Status.OK for result in summary.results) == 9
    assert "labels may move" in summary.meta["warnings"]
    assert summary.meta["arithmetic"] == "six faces' worth"
