"""The model that was asked for, or loudly its fallback, or an error that says what can be done."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeModel

from dfsubmit.errors import ModelError, UsageError
from dfsubmit.faces.preprocess import PREPROCESSOR_FILE
from dfsubmit.hooks.interfaces import LoadRequest
from dfsubmit.hooks.loading import Plugins
from dfsubmit.models.choice import CPU_BATCH, GPU_BATCH, ChosenModel, choose_model
from dfsubmit.options import RunOptions
from dfsubmit.recipe import BUILT_IN, RECIPE_FILE, Recipe


class FakeLoader:
    """Loads any folder; refuses those whose weights are the word "damaged"."""

    def __init__(self, model: FakeModel, rank: int = 10) -> None:
        self.model, self.answer = model, rank
        self.requests: list[LoadRequest] = []

    def rank(self, request: LoadRequest) -> int:
        return self.answer if (request.folder / "model.safetensors").is_file() else 0

    def load(self, request: LoadRequest) -> FakeModel:
        self.requests.append(request)
        weights = (request.folder / "model.safetensors").read_text()
        if weights == "damaged":
            raise ModelError(f"{request.folder.name}: damaged weights")
        if weights == "odd":
            raise KeyError("embeddings")
        names = json.loads((request.folder / "config.json").read_text())["id2label"]
        self.model.id2label = {int(index): name for index, name in names.items()}
        return self.model


@pytest.fixture
def loader(fake_model: type[FakeModel]) -> FakeLoader:
    return FakeLoader(fake_model())


@pytest.fixture
def plugins(loader: FakeLoader) -> Plugins:
    return Plugins(loaders={"fake": loader}, loader_plugins={"fake": "tests"})


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    def make(
        name: str,
        recipe: Recipe | None = None,
        weights: str = "fine",
        labels: tuple[str, ...] = ("Real", "Fake"),
        **config: Any,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        config["id2label"] = dict(enumerate(labels))
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "model.safetensors").write_text(weights)
        if recipe is not None:
            (folder / RECIPE_FILE).write_text(recipe.to_json())
        return folder

    return make


MINE = Recipe(name="mine", frames=12, margin=0.2)


def choose(plugins: Plugins, model: Path, **options: Any) -> ChosenModel:
    return choose_model(RunOptions(model, **{"fallback": None, **options}), plugins)


def test_the_models_own_recipe_is_obeyed_without_a_word(
    make_folder: Callable[..., Path], plugins: Plugins, loader: FakeLoader
) -> None:
    folder = make_folder("first", MINE)
    chosen = choose(plugins, folder)
    assert (chosen.recipe, chosen.warnings, chosen.fallback_reason) == (MINE, [], "")
    assert (chosen.fake_index, chosen.fake_class, chosen.loader) == (1, "Fake", "fake")
    (request,) = loader.requests
    assert (request.folder, request.model_hash) == (folder, chosen.folder.sha256)


def test_a_model_without_a_recipe_is_warned_about(
    make_folder: Callable[..., Path], plugins: Plugins
) -> None:
    chosen = choose(plugins, make_folder("first"))
    assert chosen.recipe == Recipe()
    (warning,) = chosen.warnings
    assert "carries no recipe" in warning
    assert "'dfsubmit' is assumed" in warning


def test_the_warning_names_the_recipe_that_is_used(
    make_folder: Callable[..., Path], plugins: Plugins
) -> None:
    (warning,) = choose(plugins, make_folder("first"), recipe="organiser-baseline").warnings
    assert "'organiser-baseline' is assumed" in warning


def test_an_overridden_recipe_is_warned_about_with_what_differs(
    make_folder: Callable[..., Path], plugins: Plugins
) -> None:
    chosen = choose(plugins, make_folder("first", MINE), recipe="dfsubmit", frames=20)
    assert chosen.recipe == dataclasses.replace(Recipe(), frames=20)
    (warning,) = chosen.warnings
    assert "first was not made for this recipe" in warning
    assert "frames 12 → 20" in warning
    assert "margin 0.2 → 0.4" in warning


def test_an_override_that_changes_nothing_is_no_matter(
    make_folder: Callable[..., Path], plugins: Plugins
) -> None:
    folder = make_folder("first", MINE)
    assert choose(plugins, folder, recipe=MINE, frames=12).warnings == []
    assert choose(plugins, folder, recipe=folder / RECIPE_FILE).recipe == MINE


def test_what_a_third_class_means_is_said(
    make_folder: Callable[..., Path], plugins: Plugins
) -> None:
    chosen = choose(plugins, make_folder("first", MINE, labels=("Real", "Fake", "Cartoon")))
    (warning,) = chosen.warnings
    assert "3 classes" in warning
    assert "share of 'Fake' alone decides" in warning


def test_untrained_weights_are_the_first_thing_said(
    make_folder: Callable[..., Path], plugins: Plugins
) -> None:
    chosen = choose(plugins, make_folder("first", dfsubmit_untrained=True))
    assert "UNTRAINED" in chosen.warnings[0]
    assert "mean nothing" in chosen.warnings[0]


@pytest.mark.parametrize("weights", ["damaged", "odd"])
def test_the_fallback_comes_with_its_own_recipe_and_classes(
    make_folder: Callable[..., Path], plugins: Plugins, weights: str
) -> None:
    broken = make_folder("first", MINE, weights)
    baseline = BUILT_IN["organiser-baseline"]
    spare = make_folder("spare", baseline, labels=("Deepfake", "Real"))
    chosen = choose(plugins, broken, fallback=spare, fake_label="Fake")
    assert (chosen.folder.path, chosen.recipe) == (spare, baseline)
    assert (chosen.fake_index, chosen.fake_class) == (0, "Deepfake")
    assert str(broken) in chosen.fallback_reason
    assert "FALLBACK MODEL spare IN USE" in chosen.warnings[0]
    assert chosen.fallback_reason in chosen.warnings[0]


def test_a_missing_model_falls_back_too(
    make_folder: Callable[..., Path], plugins: Plugins, tmp_path: Path
) -> None:
    chosen = choose(plugins, tmp_path / "gone", fallback=make_folder("spare", MINE))
    assert chosen.folder.name == "spare"
    assert "there is no model" in chosen.fallback_reason


def test_without_a_fallback_a_model_that_does_not_load_is_an_error(
    make_folder: Callable[..., Path], plugins: Plugins
) -> None:
    with pytest.raises(ModelError, match="cannot be loaded: first: damaged weights"):
        choose(plugins, make_folder("first", weights="damaged"))


def test_when_both_are_missing_the_three_ways_out_are_named(
    plugins: Plugins, tmp_path: Path
) -> None:
    with pytest.raises(ModelError) as caught:
        choose(plugins, tmp_path / "gone", fallback=tmp_path / "lost")
    assert "gone" in caught.value.message
    assert "lost" in caught.value.message
    for remedy in ("dfsubmit finetune", "dfsubmit models fetch baseline", "--model tiny-vit-demo"):
        assert remedy in caught.value.hint


def test_no_fallback_cures_a_slip_in_the_options(
    make_folder: Callable[..., Path], plugins: Plugins
) -> None:
    fine, spare = make_folder("first", MINE), make_folder("spare", MINE)
    doubtful = make_folder("doubtful", MINE, labels=("LABEL_0", "LABEL_1"))
    for options in (
        {"model": fine, "recipe": "deepfakebench"},  # without its plugin
        {"model": fine, "frames": 0},
        {"model": fine, "fake_label": "Fakke"},
        {"model": fine, "loader": "fakke"},
        {"model": doubtful},
    ):
        with pytest.raises(UsageError):
            choose(plugins, fallback=spare, **options)
    assert choose(plugins, doubtful, fake_label="label_0").fake_index == 0


@pytest.mark.parametrize(("device", "expected"), [("cpu", CPU_BATCH), ("cuda:0", GPU_BATCH)])
def test_the_batch_follows_the_device(
    make_folder: Callable[..., Path],
    plugins: Plugins,
    loader: FakeLoader,
    device: str,
    expected: int,
) -> None:
    loader.model.device = device
    folder = make_folder("first", MINE)
    assert choose(plugins, folder).batch_size == expected
    assert choose(plugins, folder, batch_size=5).batch_size == 5


def test_the_highest_rank_loads_unless_one_is_named(
    make_folder: Callable[..., Path], plugins: Plugins, fake_model: type[FakeModel]
) -> None:
    plugins.loaders["better"] = FakeLoader(fake_model(), rank=20)
    folder = make_folder("first", MINE)
    assert choose(plugins, folder).loader == "better"
    assert choose(plugins, folder, loader="fake").loader == "fake"
    with pytest.raises(UsageError, match="no model loader 'beter'") as caught:
        choose(plugins, folder, loader="beter")
    assert "'better'" in caught.value.hint


@pytest.mark.parametrize("refusal", [ModelError("unknown layers"), KeyError("layer")])
def test_a_loader_that_fails_gives_way_to_the_next(
    make_folder: Callable[..., Path],
    plugins: Plugins,
    fake_model: type[FakeModel],
    refusal: ModelError | KeyError,
) -> None:
    class Refuses(FakeLoader):
        def load(self, request: LoadRequest) -> FakeModel:
            raise refusal

    plugins.loaders["better"] = Refuses(fake_model(), rank=20)
    plugins.loaders["never"] = FakeLoader(fake_model(), rank=0)
    folder = make_folder("first", MINE)
    chosen = choose(plugins, folder)
    assert chosen.loader == "fake"
    assert any("'better'" in warning and "layer" in warning for warning in chosen.warnings)
    with pytest.raises(ModelError, match="layer"):
        choose(plugins, folder, loader="better")


def test_a_folder_that_no_loader_takes_is_an_error(
    make_folder: Callable[..., Path], plugins: Plugins
) -> None:
    folder = make_folder("first", MINE)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no weights that an installed loader can read"):
        choose(plugins, folder)


def test_int8_without_a_loader_for_it_names_the_plugin(
    make_folder: Callable[..., Path], plugins: Plugins, loader: FakeLoader
) -> None:
    loader.answer = 0
    with pytest.raises(UsageError, match="int8") as caught:
        choose(plugins, make_folder("first", MINE), precision="int8")
    assert "openvino" in caught.value.hint


def test_a_loader_that_fails_to_rank_is_named(
    make_folder: Callable[..., Path],
    plugins: Plugins,
    loader: FakeLoader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loader, "rank", lambda request: 1 / 0)
    line = r"'fake' failed: ZeroDivisionError: division by zero \(test_choice.py, line \d+\)"
    with pytest.raises(ModelError, match=line):
        choose(plugins, make_folder("first", MINE))


def test_a_mad_preprocessor_reaches_no_loader(
    make_folder: Callable[..., Path], plugins: Plugins, loader: FakeLoader
) -> None:
    folder = make_folder("first", MINE)
    (folder / PREPROCESSOR_FILE).write_text('{"image_mean": NaN}')
    with pytest.raises(ModelError, match="image_mean nan"):
        choose(plugins, folder)
    assert loader.requests == []


def test_the_request_carries_what_was_asked_for(
    make_folder: Callable[..., Path], plugins: Plugins, loader: FakeLoader, tmp_path: Path
) -> None:
    asked = {"device": "cpu", "precision": "bf16", "calibration": str(tmp_path)}
    choose(plugins, make_folder("first", MINE), **asked)
    (request,) = loader.requests
    assert (request.device, request.precision, request.faces) == ("cpu", "bf16", tmp_path)
    assert request.id2label == {0: "Real", 1: "Fake"}
