"""Every hook and every optional member of a model has a test here and a section in
plugins/README.md, whose examples work; plugins import `dfsubmit.hooks` and nothing else."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import dfsubmit.hooks
from dfsubmit.cli import main
from dfsubmit.errors import DeviceOutOfMemory, PluginError
from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.hooks import (
    FrameScores,
    GivesFeatures,
    LoadRequest,
    MovesToCpu,
    NeedsFaces,
    PreparesModels,
    RecallsFaces,
    TellsArithmetic,
    Warns,
    hookspecs,
)
from dfsubmit.hooks.loading import load_plugins
from dfsubmit.hooks.testing import check_aggregator
from dfsubmit.media.listing import list_media
from dfsubmit.models.huggingface import HuggingFaceLoader
from dfsubmit.output.metadata import describe_arithmetic
from dfsubmit.recipe import Recipe
from dfsubmit.records import MediaFile
from dfsubmit.scoring.classifier import Classifier
from dfsubmit.scoring.first_faces import faces_key, show_faces
from dfsubmit.workers.events import FaceEvent
from dfsubmit.workers.pool import WorkerPool

ROOT = Path(__file__).parents[2]
README = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
HOOKS = {
    name: function
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
    if hasattr(function, "dfsubmit_spec")
}
EXAMPLES: dict[str, str] = dict(
    re.findall(r"`my_plugins/(\w+\.py)`:\n\n```python\n(.*?)```", README, re.S)
)
OPTIONAL = (
    "NeedsFaces", "RecallsFaces", "Warns", "TellsArithmetic", "GivesFeatures", "MovesToCpu",
    "PreparesModels",
)  # fmt: skip

MakeModel = Callable[[str], Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plugins folder that holds the README's examples."""
    for name, code in EXAMPLES.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    return tmp_path


@pytest.fixture
def linear(tmp_path: Path) -> LoadRequest:
    """A model folder for the README's loader: the second logit is the mean of red."""
    model_folder = tmp_path / "model"
    model_folder.mkdir()
    (model_folder / "preprocessor_config.json").write_text(
        json.dumps({"size": 8, "image_mean": 0.0, "image_std": 1.0})
    )
    weights = np.array([[0, 1], [0, 0], [0, 0]], np.float32)
    np.savez(model_folder / "linear.npz", weights=weights, bias=np.zeros(2, np.float32))
    return LoadRequest(model_folder, {0: "Real", 1: "Fake"})


@pytest.fixture
def model_of(linear: LoadRequest) -> MakeModel:
    """The model, or the loader, that a section of the README shows, by the section's protocol."""
    classes: dict[str, Any] = {}
    exec(EXAMPLES["linear_loader.py"], classes)
    made: dict[str, Any] = {}
    for name in OPTIONAL:
        (code,) = re.findall(rf"\n### `{name}`.*?```python\n(.*?)```", README, re.S)
        before = set(classes)
        exec(code, classes)
        (new,) = set(classes) - before
        made[name] = classes[new]
    return lambda name: made[name]() if hasattr(made[name], "load") else made[name](linear)


def test_there_are_hooks_and_examples() -> None:
    kinds = {"aggregators", "detectors", "executors", "model_loaders"}
    assert set(HOOKS) == {f"register_{kind}" for kind in kinds}
    names = {"second_highest.py", "red_faces.py", "linear_loader.py", "largest_first.py"}
    assert set(EXAMPLES) == names


def test_the_optional_members_are_known() -> None:
    protocols = {
        name for name, item in vars(dfsubmit.hooks).items()
        if getattr(item, "_is_runtime_protocol", False)
    }  # fmt: skip
    assert protocols == set(OPTIONAL)


@pytest.mark.parametrize("name", [*sorted(HOOKS), *OPTIONAL])
def test_each_has_a_test(name: str) -> None:
    kind = "hook" if name in HOOKS else "optional"
    assert callable(getattr(sys.modules[__name__], f"test_{kind}_{name}", None))


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_every_hook_is_documented_under_its_exact_signature(name: str) -> None:
    arguments = ", ".join(inspect.signature(HOOKS[name]).parameters)
    assert f"\n### `{name}({arguments})`\n" in README


@pytest.mark.parametrize("name", OPTIONAL)
def test_every_optional_member_is_documented_with_its_arguments(name: str) -> None:
    (section,) = re.findall(rf"\n### `{name}`: (.*)\n", README)
    members = {
        key: "(" + ", ".join(list(inspect.signature(item).parameters)[1:]) + ")"
        if inspect.isfunction(item)
        else ""
        for key, item in vars(getattr(dfsubmit.hooks, name)).items()
        if not key.startswith("_")
    }
    assert re.findall(r"`(.*?)`", section) == [key + rest for key, rest in members.items()]


def test_hook_register_aggregators(folder: Path) -> None:
    plugins = load_plugins([folder])
    assert not plugins.failures
    item = plugins.aggregators["second-highest"]
    check_aggregator(item.function, item.properties)
    p = np.array([0.1, 0.9, 0.4, 0.7])
    scores = FrameScores(p, np.array([0.0, 1.0, 2.0, 3.0]), np.zeros((4, 4), np.int64), np.ones(4))
    assert plugins.aggregator("second-highest")(scores) == 0.7
    assert plugins.aggregator("second-highest:rank=3")(scores) == 0.4


def test_hook_register_executors(folder: Path) -> None:
    """The example hands on all but the order; `test_executors` runs one."""
    executor: Any = load_plugins([folder]).executor("largest-first")
    executor.local = Mock()
    score = executor.local.scorer.return_value.score
    files = [MediaFile(folder / name, name, size) for name, size in (("a", 1), ("b", 9))]
    executor.scorer("job").score(files, "keep", "stop")
    score.assert_called_once_with(files[::-1], "keep", "stop")
    assert executor.cutter("job") is executor.local.cutter.return_value


def test_hook_register_detectors(folder: Path, tmp_path: Path) -> None:
    """In a worker, which has nothing but the plugin's name to go by."""
    picture = np.zeros((90, 120, 3), np.uint8)
    picture[20:60, 30:80] = (200, 0, 0)
    media = tmp_path / "media"
    media.mkdir()
    Image.fromarray(picture).save(media / "red.png")
    plugins = load_plugins([folder])
    assert plugins.detectors["red-faces"].make(least=250)(picture, 0) == []
    recipe = Recipe(detector="red-faces:least=100", margin=0.0)
    settings = ScanSettings(recipe, detector=plugins.detector_plugin(recipe))
    with WorkerPool(settings, 1) as pool:
        events = list(pool.events(list_media(media)))
    (face,) = [event.face for event in events if isinstance(event, FaceEvent)]
    assert face.box == (30, 20, 80, 60)
    np.testing.assert_array_equal(face.crop, picture[20:60, 30:80])


def test_hook_register_model_loaders(folder: Path, linear: LoadRequest) -> None:
    loader = load_plugins([folder]).loaders["linear"]
    assert loader.rank(LoadRequest(folder)) == 0
    assert loader.rank(linear) > 10
    model = loader.load(linear)
    assert model.id2label == {0: "Real", 1: "Fake"}
    red = np.zeros((2, 8, 8, 3), np.uint8)
    red[1, ..., 0] = 255
    np.testing.assert_allclose(model.logits(red), [[0, 0], [0, 1]])
    others = (NeedsFaces, RecallsFaces, Warns, TellsArithmetic, GivesFeatures, MovesToCpu)
    assert not any(isinstance(model, protocol) for protocol in others)
    assert describe_arithmetic(model)["arithmetic"] == ""


def _pool() -> WorkerPool:
    return WorkerPool(ScanSettings(Recipe(), Preprocessor(8, 8)), 1)


def test_optional_NeedsFaces(model_of: MakeModel, samples: Path) -> None:
    model = model_of("NeedsFaces")
    files = [file for file in list_media(samples) if file.name == "face.jpg"]
    with _pool() as pool:
        assert show_faces(model, files, pool) == []
    assert model.faces_wanted == 0
    assert 0 < model.scale <= 1 / 127


def test_optional_RecallsFaces(model_of: MakeModel, samples: Path) -> None:
    model, files, pool = model_of("RecallsFaces"), list_media(samples), _pool()
    model.cache[faces_key(files, pool)] = 0.25
    assert show_faces(model, files, pool) == []
    assert model.scale == 0.25
    assert pool.pids() == []  # nobody looked for faces


def test_optional_Warns(model_of: MakeModel) -> None:
    warnings = show_faces(model_of("Warns"), [], _pool())
    assert warnings == ["a linear model knows colours and nothing else"]


def test_optional_TellsArithmetic(model_of: MakeModel) -> None:
    described = describe_arithmetic(model_of("TellsArithmetic"))
    assert described["arithmetic"] == "NumPy, fp32, one product of matrices"


def test_optional_GivesFeatures(model_of: MakeModel) -> None:
    model = model_of("GivesFeatures")
    red = np.zeros((2, 8, 8, 3), np.uint8)
    red[1, ..., 0] = 255
    p_fake, features = Classifier(model, 1, batch_size=1, keep_features=True).score(red)
    np.testing.assert_allclose(p_fake, Classifier(model, 1).p_fake(red))
    assert features is not None
    np.testing.assert_allclose(features, [[0, 0, 0], [1, 0, 0]])


def test_optional_MovesToCpu(model_of: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("MovesToCpu")
    on_cpu = model.logits

    def logits(pixels: Any) -> Any:
        if model.device != "cpu":
            raise DeviceOutOfMemory("no room")
        return on_cpu(pixels)

    monkeypatch.setattr(model, "logits", logits)
    black = np.zeros((3, 8, 8, 3), np.uint8)
    np.testing.assert_allclose(Classifier(model, 1, batch_size=2).p_fake(black), 0.5)
    assert model.device == "cpu"
    assert not model.fall_back_to_cpu()


def test_optional_PreparesModels(model_of: MakeModel, linear: LoadRequest) -> None:
    loader = model_of("PreparesModels")
    assert isinstance(loader, PreparesModels)
    assert not isinstance(HuggingFaceLoader(), PreparesModels)
    prepared = loader.prepare(linear)
    assert prepared.folder.parent == linear.folder
    assert prepared.arithmetic == "scales colours by 127"
    assert list(prepared.folder.iterdir()) == [prepared.folder / "scale.txt"]


def test_the_command_lists_all_examples(folder: Path) -> None:
    listing = CliRunner().invoke(main, ["plugins", "--plugins-dir", str(folder)]).output
    assert "second-highest:rank=2" in listing
    assert "red-faces:least=128  (" in listing
    assert "linear " in listing


def test_a_misspelt_hook_is_an_error_and_not_silence(tmp_path: Path) -> None:
    code = EXAMPLES["second_highest.py"].replace("register_aggregators", "register_agregators")
    (tmp_path / "misspelt.py").write_text(code)
    (failure,) = load_plugins([tmp_path]).failures
    assert "register_agregators" in failure.error
    with pytest.raises(PluginError, match="register_agregators"):
        load_plugins([tmp_path], strict=True)


@pytest.mark.parametrize("module", ["dfsubmit.hooks", "dfsubmit.hooks.testing"])
def test_a_plugins_import_is_light(module: str) -> None:
    heavy = "torch transformers cv2 dlib PIL sklearn matplotlib tqdm".split()
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; import {module}; "
        f"print(sorted(set({heavy}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_exported_is_there_and_complete() -> None:
    own = {name for name in vars(dfsubmit.hooks) if not name.startswith("_")}
    submodules = {name for name in own if inspect.ismodule(vars(dfsubmit.hooks)[name])}
    assert set(dfsubmit.hooks.__all__) == own - submodules
    assert dfsubmit.hookimpl is dfsubmit.hooks.hookimpl
