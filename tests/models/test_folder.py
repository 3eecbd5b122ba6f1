"""A model folder or zip is examined without running, unpacking or following what it should not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dfsubmit.errors import ModelError, UsageError
from dfsubmit.models.folder import hash_model, open_model, weight_files
from dfsubmit.recipe import RECIPE_FILE, Recipe


def test_what_is_known_of_a_folder(folder: Path) -> None:
    model = open_model(folder)
    assert (model.path, model.source, model.name) == (folder, folder, "portrait")
    assert model.id2label == {0: "Realism", 1: "Deepfake"}
    assert (model.recipe, model.recipe_known, model.untrained) == (Recipe(), False, False)
    assert model.sha256 == hash_model(folder)


def test_a_folder_carries_its_recipe(folder: Path) -> None:
    recipe = Recipe(name="mine", frames=12)
    (folder / RECIPE_FILE).write_text(recipe.to_json())
    model = open_model(str(folder))
    assert (model.recipe, model.recipe_known) == (recipe, True)


def test_a_broken_recipe_is_not_replaced_by_the_default(folder: Path) -> None:
    (folder / RECIPE_FILE).write_text('{"frames": 0}')
    with pytest.raises(UsageError, match="frames"):
        open_model(folder)


def test_random_weights_are_known_as_such(folder: Path, tiny_model: Path) -> None:
    assert open_model(tiny_model).untrained


def test_a_folder_with_exactly_one_model_stands_for_it(folder: Path) -> None:
    (folder.parent / "notes").mkdir()
    assert open_model(folder.parent).path == folder


def test_a_folder_with_two_models_asks_which(folder: Path) -> None:
    other = folder.parent / "landscape"
    other.mkdir()
    (other / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="landscape, portrait"):
        open_model(folder.parent)


def test_a_path_relative_to_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert open_model(".").name == "portrait"


def test_where_there_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model at"):
        open_model(tmp_path / "gone")
    with pytest.raises(ModelError, match=r"no config\.json"):
        open_model(tmp_path)
    (tmp_path / "model.zip").write_text("no zip")
    with pytest.raises(ModelError, match="neither a model folder nor a zip"):
        open_model(tmp_path / "model.zip")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "5",
        pytest.param("[" * 100_000, id="deep"),
        '{"id2label": 5}',
        '{"id2label": {"zero": "Real"}}',
        '{"id2label": {"-1": "Real", "99": "Fake"}}',
        '{"id2label": {"1": "Real", "2": "Fake"}}',
        '{"id2label": {"0": "Real", "00": "Real", "1": "Fake"}}',
        '{"num_labels": "two"}',
    ],
)
def test_a_damaged_configuration_is_named(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        open_model(folder)


def test_classes_without_names_get_those_of_transformers(folder: Path) -> None:
    (folder / "config.json").write_text('{"num_labels": 3}')
    assert open_model(folder).id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_code_of_its_own_is_refused(
    folder: Path, edit_json: Callable[..., None], name: str
) -> None:
    edit_json(folder / name, auto_map={"AutoModel": "modeling.Evil"})
    with pytest.raises(ModelError, match=rf"{name}.*auto_map"):
        open_model(folder)


@pytest.mark.parametrize(
    "more",
    [
        {"attn_implementation": "somebody/kernel"},
        {"_attn_implementation": {"": "somebody/kernel@v1"}},
        {"vision_config": {"auto_map": {"AutoConfig": "configuration.Evil"}}},
    ],
)
def test_code_of_others_is_refused_at_any_depth(
    folder: Path, edit_json: Callable[..., None], more: dict[str, Any]
) -> None:
    edit_json(folder / "config.json", **more)
    with pytest.raises(ModelError, match=r"code of its own \((auto_map|_?attn_implementation)\)"):
        open_model(folder)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "dfsubmit_decision.json", "other.bin", "onnx/model.onnx"]
)
def test_a_pipe_in_the_folder_is_refused(folder: Path, name: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(ModelError, match=f"{name} is no regular file"):
        open_model(folder)


@pytest.mark.parametrize("name", ["config.json", RECIPE_FILE, "model.safetensors.index.json"])
def test_a_huge_json_file_is_not_read(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as stream:
        stream.truncate(2**30)  # a hole
    with pytest.raises(ModelError, match=f"{name} is larger than 16 MiB"):
        open_model(folder)


@pytest.mark.parametrize(
    "more",
    [
        {"num_hidden_layers": 20_000},
        {"depths": [2, 2, 20_000, 2]},
        {"vision_config": {"num_hidden_layers": 1001}},
    ],
)
def test_more_layers_than_any_model_has_are_refused(
    folder: Path, edit_json: Callable[..., None], more: dict[str, Any]
) -> None:
    edit_json(folder / "config.json", num_hidden_layers=1000)
    assert open_model(folder).name == "portrait"
    edit_json(folder / "config.json", **more)
    with pytest.raises(ModelError, match=r"config\.json: (num_hidden_layers|depths) is over 1000"):
        open_model(folder)


@pytest.mark.parametrize("text", ["5", "null", pytest.param("[" * 100_000, id="deep")])
def test_an_odd_preprocessor_file_is_left_to_its_own_reader(folder: Path, text: str) -> None:
    (folder / "preprocessor_config.json").write_text(text)
    assert open_model(folder).name == "portrait"


def test_the_hash_follows_what_the_network_computes(folder: Path) -> None:
    before = hash_model(folder)
    (folder / "README.md").write_text("# a card")
    (folder / RECIPE_FILE).write_text(Recipe(frames=3).to_json())
    assert hash_model(folder) == before
    hashes = {before}
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        with (folder / name).open("ab") as stream:
            stream.write(b" ")
        hashes.add(hash_model(folder))
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"graph")
    hashes.add(hash_model(folder))
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    hashes.add(hash_model(folder))
    assert len(hashes) == 6


def test_weights_are_found_by_suffix(folder: Path) -> None:
    for name in ("pytorch_model.bin", "notes.txt", "onnx/model.onnx", "onnx/model.onnx_data"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    assert [path.relative_to(folder).as_posix() for path in weight_files(folder)] == [
        "model.safetensors",
        "onnx/model.onnx",
        "onnx/model.onnx_data",
        "pytorch_model.bin",
    ]


def test_needs_no_torch(folder: Path) -> None:
    code = (
        "import sys; from dfsubmit.models.folder import open_model; open_model(sys.argv[1]);"
        "assert not {'torch', 'transformers', 'cv2'} & set(sys.modules)"
    )
    path = os.pathsep.join(sys.path)
    subprocess.run(
        [sys.executable, "-c", code, folder], check=True, env={**os.environ, "PYTHONPATH": path}
    )
