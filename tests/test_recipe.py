"""Recipes survive JSON unchanged, and whatever is no recipe is refused with a reason."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfsubmit.errors import UsageError
from dfsubmit.recipe import BUILT_IN, RECIPE_FILE, Recipe, load_recipe

FILTERS = ["nearest", "bilinear", "bicubic", "lanczos"]
SIZES = st.one_of(
    st.just((None, None)), st.tuples(st.integers(1, 10_000), st.sampled_from(FILTERS))
)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    output_size, resampling = draw(SIZES)
    return Recipe(
        name=draw(st.text()),
        frames=draw(st.integers(1, 100_000)),
        detector=draw(st.sampled_from(["dlib-hog", "none"])),
        detection_width=draw(st.integers(32, 100_000)),
        upsampling=draw(st.integers(0, 4)),
        tracking=draw(st.sampled_from(["none", "anchored"])),
        align=draw(st.sampled_from(["none", "eyes"])),
        margin=draw(st.floats(-0.45, 10)),
        crop_shape=draw(st.sampled_from(["box", "square"])),
        output_size=output_size,
        resampling=resampling,
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
KEYS = [item.name for item in dataclasses.fields(Recipe)]


@given(recipes())
def test_every_recipe_survives_json(recipe: Recipe) -> None:
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert recipe.differences(recipe) == {}


@given(JSON | st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_json_is_a_recipe_or_refused(data: Any) -> None:
    try:
        recipe = Recipe.from_json(json.dumps(data))
    except UsageError:
        return
    assert Recipe.from_json(recipe.to_json()) == recipe


@given(st.text())
def test_any_text_is_a_recipe_or_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Recipe.from_json("?" + text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("frames", 0),
        ("frames", True),
        ("frames", 40.0),
        ("frames", "40"),
        ("frames", None),
        ("margin", float("nan")),
        ("margin", -0.5),
        ("margin", "0.4"),
        ("detection_width", 8),
        ("upsampling", 9),
        ("sampling", "random"),
        ("detector", ""),
        ("detector", "mtcnn:"),
        ("detector", "mtcnn:least"),
        ("detector", "two words"),
        ("align", "nose"),
        ("tracking", "kalman"),
        ("face_choice", "first"),
        ("crop_shape", "round"),
        ("resampling", "hamming"),
        ("output_size", 0),
        ("version", 2),
        ("margins", 0.4),
    ],
)
def test_an_impossible_value_is_named(key: str, value: Any) -> None:
    with pytest.raises(UsageError, match=key):
        Recipe.from_dict({key: value})


def test_the_first_resize_needs_size_and_filter() -> None:
    with pytest.raises(UsageError, match="together"):
        Recipe(output_size=224)
    with pytest.raises(UsageError, match="together"):
        Recipe(resampling="bicubic")


def test_a_misspelt_key_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        Recipe.from_dict({"margn": 0.3})
    assert "'margin'" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["", "{", pytest.param("[" * 100_000, id="deep"), "[]", '"dfsubmit"', "null"]
)
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="recipe"):
        Recipe.from_json(text)


def test_missing_keys_take_the_defaults() -> None:
    assert Recipe.from_json("{}") == Recipe()


def test_the_built_in_recipes_are_the_documented_ones() -> None:
    plain = BUILT_IN["dfsubmit"]
    assert (plain.frames, plain.detection_width, plain.upsampling) == (40, 640, 1)
    assert (plain.margin, plain.crop_shape, plain.output_size) == (0.4, "box", None)
    assert BUILT_IN["dfsubmit-fast"].differences(plain) == {"tracking": ("anchored", "none")}
    assert BUILT_IN["organiser-baseline"].differences(plain) == {
        "frames": (30, 40),
        "margin": (0.3, 0.4),
        "crop_shape": ("square", "box"),
        "output_size": (224, None),
        "resampling": ("bicubic", None),
    }


def test_deepfakebenchs_recipe_is_its_configuration() -> None:
    recipe = BUILT_IN["deepfakebench"]
    assert recipe.differences(Recipe()) == {
        "frames": (32, 40),
        "detector": ("dlib-hog-68", "dlib-hog"),
        "detection_width": (1920, 640),
        "margin": (0.3, 0.4),
        "crop_shape": ("square", "box"),
        "output_size": (256, None),
        "resampling": ("bilinear", None),
        "align": ("eyes", "none"),
    }


def test_a_detector_may_have_parameters() -> None:
    recipe = Recipe.from_dict({"detector": "dlib-cnn:least=0.5,other=x"})
    assert recipe.detector == "dlib-cnn:least=0.5,other=x"


def test_tracking_is_for_the_built_in_detectors_scores() -> None:
    with pytest.raises(UsageError, match="'dlib-cnn'"):
        Recipe(detector="dlib-cnn", tracking="anchored")


def test_older_releases_read_recipes_that_align_nothing() -> None:
    assert "align" not in json.loads(Recipe().to_json())
    assert json.loads(BUILT_IN["deepfakebench"].to_json())["align"] == "eyes"


def test_the_name_makes_no_difference() -> None:
    assert Recipe(name="mine").differences(Recipe()) == {}


def test_loads_by_name_from_a_file_and_from_a_model_folder(tmp_path: Path) -> None:
    mine = Recipe(name="mine", frames=7)
    path = tmp_path / RECIPE_FILE
    path.write_text(mine.to_json())
    assert load_recipe("organiser-baseline") is BUILT_IN["organiser-baseline"]
    assert load_recipe(path) == load_recipe(str(path)) == load_recipe(tmp_path) == mine


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="there is no recipe 'dfsubmti'") as caught:
        load_recipe("dfsubmti")
    assert "'dfsubmit'" in caught.value.hint


@pytest.mark.parametrize("name", ["gone.json", "with\0nul", pytest.param("x" * 5000, id="long")])
def test_what_cannot_be_opened_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="recipe"):
        load_recipe(name)


def test_an_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"frames": 0}')
    with pytest.raises(UsageError, match=r"mine\.json: recipe: frames"):
        load_recipe(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"mine\.json"):
        load_recipe(path)
    with pytest.raises(UsageError, match=RECIPE_FILE):
        load_recipe(tmp_path)
