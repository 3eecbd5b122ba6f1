"""A model that has to see faces first sees the run's own, the same ones every time."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from dfsubmit import RunOptions, run
from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.hooks import FrameModel
from dfsubmit.media.listing import list_media
from dfsubmit.recipe import Recipe
from dfsubmit.records import MediaFile, Pixels, Status
from dfsubmit.scoring.first_faces import FACES_OF_A_FILE, faces_key, show_faces
from dfsubmit.workers.pool import WorkerPool

pytestmark = pytest.mark.slow

SETTINGS = ScanSettings(Recipe(), Preprocessor(height=8, width=8))


class Plain:
    """A model that offers nothing beyond what every model has."""

    id2label: ClassVar[dict[int, str]] = {0: "Real", 1: "Fake"}
    preprocessor = Preprocessor(height=8, width=8)
    device, precision = "cpu", "fp32"

    def logits(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        return np.zeros((len(pixels), 2), np.float32)


class Seeing(Plain):
    """One that wants so many faces, and keeps what it is shown, call by call."""

    def __init__(self, faces_wanted: int) -> None:
        self.faces_wanted = faces_wanted
        self.seen: list[Pixels] = []

    def see(self, faces: Pixels) -> None:
        self.seen.append(faces)


class Recalling(Seeing):
    """One that needs none after all, and has something to say."""

    def __init__(self, faces_wanted: int) -> None:
        super().__init__(faces_wanted)
        self.warnings = ["labels may move"]
        self.keys: list[str] = []

    def recall(self, key: str) -> bool:
        self.keys.append(key)
        return True


def shown(files: list[MediaFile], wanted: int, workers: int = 1) -> list[Pixels]:
    model = Seeing(wanted)
    with WorkerPool(SETTINGS, workers) as pool:
        assert show_faces(model, files, pool) == []
    return model.seen


def test_the_same_files_show_the_same_faces(samples: Path) -> None:
    files = list_media(samples)
    (alone,) = shown(files, 10, workers=1)
    (together,) = shown(files, 10, workers=3)
    assert alone.shape == (10, 8, 8, 3)
    np.testing.assert_array_equal(alone, together)


def test_a_run_with_too_few_faces_shows_them_all(samples: Path) -> None:
    files = [file for file in list_media(samples) if file.name in ("face.jpg", "zoom.mp4")]
    (faces,) = shown(files, 64)
    assert len(faces) == 1 + FACES_OF_A_FILE


def test_it_goes_on_until_there_are_enough(samples: Path) -> None:
    """Two files are looked at in the first go, and these first two have no face."""
    names = ("broken.mp4", "no_face.jpg", "face.jpg", "face.png", "pan.mp4", "zoom.mp4")
    files = {file.name: file for file in list_media(samples)}
    (faces,) = shown([files[name] for name in names], 8)
    assert len(faces) == 8


def test_without_faces_nothing_is_called(samples: Path) -> None:
    assert shown([file for file in list_media(samples) if "no_face" in file.name], 8) == []
    assert shown([], 8) == []


@pytest.mark.parametrize("model", [Plain(), Seeing(0)])
def test_other_models_cost_no_scan(model: FrameModel, samples: Path) -> None:
    pool = WorkerPool(SETTINGS, 1)
    assert show_faces(model, list_media(samples), pool) == []
    assert pool.pids() == []


def test_a_model_that_recalls_costs_no_scan(samples: Path) -> None:
    model, pool = Recalling(8), WorkerPool(SETTINGS, 1)
    assert show_faces(model, list_media(samples), pool) == ["labels may move"]
    assert model.keys == [faces_key(list_media(samples), pool)]
    assert pool.pids() == []


def test_the_key_holds_the_files_and_how_they_are_cut(samples: Path) -> None:
    files = list_media(samples)
    key = faces_key(files, WorkerPool(SETTINGS))
    assert faces_key(list_media(samples), WorkerPool(SETTINGS, 3)) == key
    touched = dataclasses.replace(files[0], mtime_ns=1)
    larger = ScanSettings(Recipe(), Preprocessor(height=16, width=16))
    tighter = ScanSettings(Recipe(margin=0.1), Preprocessor(height=8, width=8))
    others = [
        faces_key(files[1:], WorkerPool(SETTINGS)),
        faces_key([touched, *files[1:]], WorkerPool(SETTINGS)),
        faces_key(files, WorkerPool(larger)),
        faces_key(files, WorkerPool(tighter)),
    ]
    assert len({key, *others}) == 5


PLUGIN = """
import numpy as np
from dfsubmit.hooks import hookimpl, load_preprocessor

DFSUBMIT_HOOKS = 1


class Model:
    device, precision = "cpu", "int8"
    faces_wanted = 6

    def __init__(self, request):
        self.id2label, self.preprocessor = request.id2label, load_preprocessor(request.folder)

    def see(self, faces):
        assert len(faces) == 6
        self.faces_wanted = 0
        self.arithmetic, self.warnings = "six faces' worth", ["labels may move"]

    def logits(self, pixels):
        assert self.faces_wanted == 0, "scored before it has seen faces"
        return np.zeros((len(pixels), 2), np.float32)


class Loader:
    def rank(self, request):
        return 99

    def load(self, request):
        return Model(request)


@hookimpl
def register_model_loaders(register):
    register("wants-faces", Loader())
"""


def test_a_run_shows_faces_before_it_scores(
    samples: Path, tiny_model: Path, tmp_path: Path
) -> None:
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
