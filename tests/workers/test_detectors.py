"""A recipe's detector: found by name, refused with a reason, made in the worker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dfsubmit.errors import DfsubmitError, Exit, UsageError
from dfsubmit.faces.settings import DetectorPlugin, ScanSettings
from dfsubmit.hooks.loading import Plugins, load_plugins
from dfsubmit.recipe import BUILT_IN, Recipe
from dfsubmit.workers.detectors import detector_of

PLUGIN = """
from dfsubmit.hooks import FoundFace, NotInstalled, hookimpl


def box(side=10):
    return lambda picture, upsampling: [FoundFace((0, 0, side, side), 1.0)]


def absent():
    raise NotInstalled("no weights", "pip install weights")


def broken():
    raise RuntimeError("out of luck")


@hookimpl
def register_detectors(register):
    register("box", box)
    register("absent", absent)
    register("broken", broken, landmarks=True)
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Plugins:
    (tmp_path / "boxes.py").write_text(PLUGIN)
    return load_plugins([tmp_path])


def settings_of(recipe: Recipe, plugins: Plugins) -> ScanSettings:
    return ScanSettings(recipe, detector=plugins.detector_plugin(recipe))


def test_the_built_in_detector_is_registered_and_loads_nothing() -> None:
    plugins = load_plugins()
    assert plugins.detectors["dlib-hog"].source == "built-in"
    assert settings_of(Recipe(), plugins).detector is None
    assert settings_of(Recipe(detector="none", align="eyes"), plugins).detector is None
    assert detector_of(ScanSettings(Recipe())) is None
    assert plugins.detectors["dlib-hog"].make()(np.zeros((90, 90, 3), np.uint8), 0) == []


def test_a_plugins_file_is_loaded_again_with_the_recipes_parameters(plugins: Plugins) -> None:
    settings = settings_of(Recipe(detector="box:side=7"), plugins)
    assert settings.detector is not None
    assert Path(settings.detector.plugin).is_absolute()
    detector = detector_of(settings)
    assert detector is not None
    (face,) = detector(np.zeros((9, 9, 3), np.uint8), 0)
    assert face.box == (0, 0, 7, 7)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("dlib-cnn", "pip install ./plugins/dfsubmit-dlib-cnn"),
        ("dlib-hgo", "'dlib-hog'"),
    ],
)
def test_an_unknown_detector_is_an_error_that_names_the_plugin(name: str, hint: str) -> None:
    plugins = load_plugins()
    plugins.detectors.pop(name, None)
    with pytest.raises(UsageError, match=f"there is no detector '{name}'") as caught:
        plugins.detector_plugin(Recipe(detector=name))
    assert hint in caught.value.hint


def test_a_plugin_that_does_not_load_is_named_where_its_detector_is_missed(tmp_path: Path) -> None:
    (tmp_path / "torn.py").write_text("import no_such_library")
    with pytest.raises(UsageError) as caught:
        load_plugins([tmp_path]).detector_plugin(Recipe(detector="torn-detector"))
    assert "torn.py" in caught.value.hint
    assert "no_such_library" in caught.value.hint


@pytest.mark.parametrize(
    ("spec", "said"),
    [("box:sides=7", "no parameter 'sides'"), ("box:side=many", "not of type int")],
)
def test_a_wrong_parameter_is_refused(plugins: Plugins, spec: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plugins.detector_plugin(Recipe(detector=spec))


@pytest.mark.parametrize("name", ["dlib-hog", "box"])
def test_alignment_needs_a_detector_with_landmarks(plugins: Plugins, name: str) -> None:
    with pytest.raises(UsageError, match=f"{name}.*does not give") as caught:
        plugins.detector_plugin(Recipe(detector=name, align="eyes"))
    assert "broken" in caught.value.hint
    assert plugins.detector_plugin(Recipe(detector="broken", align="eyes")) is not None


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [("absent", "no weights", "pip install weights"), ("broken", "RuntimeError: out of luck", "")],
)
def test_a_detector_that_cannot_be_made_ends_the_run_with_its_plugins_name(
    plugins: Plugins, name: str, said: str, hint: str
) -> None:
    with pytest.raises(DfsubmitError, match=said) as caught:
        detector_of(settings_of(Recipe(detector=name), plugins))
    assert name in caught.value.message
    assert "boxes.py" in caught.value.message
    assert caught.value.hint == hint
    assert caught.value.exit_code == Exit.NOT_INSTALLED


def test_a_plugin_that_has_gone_is_named() -> None:
    recipe = BUILT_IN["deepfakebench"]
    settings = ScanSettings(recipe, detector=DetectorPlugin("installed", "dfsubmit-gone"))
    with pytest.raises(DfsubmitError, match="dfsubmit-gone"):
        detector_of(settings)
