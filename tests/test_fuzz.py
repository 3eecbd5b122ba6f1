"""Whatever stands in a file or an option that a user gives: it is taken, or it is an error that
says what is wrong. Never a traceback."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dfsubmit.errors import DfsubmitError
from dfsubmit.evaluation.labels import read_labels
from dfsubmit.faces.preprocess import PREPROCESSOR_FILE, load_preprocessor
from dfsubmit.hooks.loading import Plugins, load_plugins
from dfsubmit.models.folder import open_model
from dfsubmit.output.scores import read_meta, read_scores
from dfsubmit.output.submission import read_submission
from dfsubmit.recipe import Recipe, load_recipe
from dfsubmit.records import FileResult
from dfsubmit.scoring.decision import DECISION_FILE, Decision, read_decision

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(["NaN", "0"])
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
LABEL_LINES = st.lists(
    st.sampled_from(["filename,label", "a.mp4,1", "a.mp4,real", '"b', "b,2,3", "\0", "c.mp4,0,g"])
)


def objects_like(keys: list[str]) -> st.SearchStrategy[str]:
    """JSON objects with some of the keys and any values, and any other JSON, as text."""
    named = st.dictionaries(st.sampled_from(keys), JSON)
    return (named | JSON).map(lambda value: json.dumps(value, allow_nan=True)) | st.text()


def survives(function: Callable[..., Any], *arguments: Any) -> None:
    try:
        function(*arguments)
    except DfsubmitError as error:
        assert str(error)


@given(objects_like([item.name for item in dataclasses.fields(Recipe)]))
def test_recipes(text: str) -> None:
    survives(Recipe.from_json, text)


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins()


NAMES = st.sampled_from("mean median topk trimmed noisyor vote power".split()) | st.text(max_size=5)


@given(
    st.builds(
        lambda name, pairs: name + ":" + ",".join("=".join(pair) for pair in pairs),
        NAMES,
        st.lists(st.lists(st.sampled_from("k p q 1 -1 1e999 nan 0.5 9".split()), max_size=3)),
    )
    | st.text()
)
def test_aggregator_specs(plugins: Plugins, spec: str) -> None:
    survives(plugins.aggregator, spec)


@given(LABEL_LINES.map("\n".join).map(str.encode) | st.binary())
def test_labels(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    survives(read_labels, path)


@given(LABEL_LINES.map("\n".join).map(str.encode) | st.binary())
def test_submissions(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "submission.csv"
    path.write_bytes(content)
    survives(read_submission, path)


@given(objects_like([item.name for item in dataclasses.fields(FileResult)]), st.binary())
@example('{"filename": "a", "status": "ok", "frames": [{"index": 1e999}]}', b"")
def test_scores_and_metadata(tmp_path: Path, text: str, more: bytes) -> None:
    path = tmp_path / "s.scores.jsonl"
    path.write_bytes(text.encode("utf-8", "surrogatepass") + more)
    survives(read_scores, path)
    path.with_name("s.meta.json").write_bytes(path.read_bytes())
    survives(read_meta, path)


@given(objects_like(["version", *(item.name for item in dataclasses.fields(Decision))]))
def test_decision_files(tmp_path: Path, text: str) -> None:
    (tmp_path / DECISION_FILE).write_bytes(text.encode("utf-8", "surrogatepass"))
    survives(read_decision, tmp_path)


PREPROCESSOR_KEYS = (
    "image_processor_type size do_resize do_center_crop crop_size resample rescale_factor "
    "do_rescale do_normalize image_mean image_std height width shortest_edge crop_pct"
).split()


NUMBERS = st.floats() | st.integers() | st.sampled_from([0, 0.5, 1, 1 / 255, 6, 1e-30, 1e300])
NUMERIC = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(-1, 1100),
        "resample": st.integers(-1, 7),
        "do_rescale": st.booleans(),
        "do_normalize": st.booleans(),
        "rescale_factor": NUMBERS,
        "image_mean": NUMBERS | st.lists(NUMBERS, min_size=3, max_size=3),
        "image_std": NUMBERS | st.lists(NUMBERS, min_size=3, max_size=3),
    },
).map(json.dumps)
BLACK_AND_WHITE = np.stack([np.zeros((9, 7, 3), np.uint8), np.full((9, 7, 3), 255, np.uint8)])


@given(objects_like(PREPROCESSOR_KEYS) | NUMERIC)
@example('{"size": {"height": 1e400, "width": 5}}')
@example('{"resample": [1]}')
@example('{"rescale_factor": 1e37, "image_std": 1e36}')
def test_preprocessors_are_refused_or_tell_pictures_apart(tmp_path: Path, text: str) -> None:
    (tmp_path / PREPROCESSOR_FILE).write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        preprocessor = load_preprocessor(tmp_path)
    except DfsubmitError as error:
        assert str(error)
        return
    crops = np.stack([preprocessor.resize(crop) for crop in BLACK_AND_WHITE])
    pixels = preprocessor.normalise(crops)
    assert np.isfinite(pixels).all()
    assert (pixels[1] >= pixels[0]).all()
    assert (pixels[1] > pixels[0]).any(axis=(1, 2)).all()


@given(objects_like(["id2label", "num_labels", "auto_map", "attn_implementation"]))
@example('{"num_labels": 1e999}')
@example('{"num_labels": 1000000000000}')
@example('{"attn_implementation": {"a": "b/c"}}')
def test_model_configurations(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    survives(open_model, tmp_path)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("config.json", open_model),
        (PREPROCESSOR_FILE, load_preprocessor),
        (DECISION_FILE, read_decision),
        ("dfsubmit_recipe.json", load_recipe),
    ],
)
def test_json_that_is_nested_too_deep(
    tmp_path: Path, name: str, read: Callable[[Path], Any]
) -> None:
    (tmp_path / name).write_text("[" * 100_000)
    with pytest.raises(DfsubmitError, match="recursion"):
        read(tmp_path)


@given(
    st.lists(st.tuples(st.integers(0, 1_000_000), st.integers(0, 255)), max_size=8),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]),
)
def test_model_zips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: list[tuple[int, int]], method: int
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache"))
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w", method) as bundle:
        bundle.writestr("m/config.json", json.dumps({"id2label": {"0": "Real", "1": "Fake"}}))
        bundle.writestr("m/model.safetensors", b"weights " * 200)
    content = bytearray(path.read_bytes())
    for place, value in damage:
        content[place % len(content)] = value
    path.write_bytes(content)
    survives(open_model, path)
