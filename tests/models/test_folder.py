"""A model folder or zip is examined without running, unpacking or following what it should not."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dfsubmit.errors import ModelError, UsageError
from dfsubmit.models import archive
from dfsubmit.models.folder import hash_model, open_model, weight_files
from dfsubmit.recipe import RECIPE_FILE, Recipe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The smallest thing that is a model folder."""
    path = tmp_path / "portrait"
    path.mkdir()
    config = {"id2label": {"0": "Realism", "1": "Deepfake"}}
    (path / "config.json").write_text(json.dumps(config))
    (path / "preprocessor_config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(b"weights")
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder in place of the user's."""
    path = tmp_path / "cache"
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(path / name))
    return path


@pytest.fixture
def make_zip(tmp_path: Path, folder: Path, cache: Path) -> Callable[..., Path]:
    """A zip of the folder, with further members: names → bytes or ready ZipInfos."""

    def make(
        *extra: tuple[str | zipfile.ZipInfo, str | bytes],
        prefix: str = "",
        compression: int = zipfile.ZIP_DEFLATED,
    ) -> Path:
        path = tmp_path / "portrait-v1.zip"
        with zipfile.ZipFile(path, "w", compression) as bundle:
            for file in sorted(folder.iterdir()):
                bundle.write(file, prefix + file.name)
            for name, data in extra:
                bundle.writestr(name, data)
        return path

    return make


def link(name: str, mode: int = stat.S_IFLNK | 0o777) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


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


@pytest.mark.parametrize("prefix", ["", "portrait/", "my model/"])
def test_a_zip_is_the_folder_in_it(
    make_zip: Callable[..., Path], folder: Path, cache: Path, prefix: str
) -> None:
    archive = make_zip(prefix=prefix)
    model = open_model(archive)
    assert (model.name, model.source) == ("portrait-v1", archive)
    assert model.sha256 == hash_model(folder)
    assert cache in model.path.parents
    (unpacked,) = (cache / "dfsubmit" / "models").iterdir()
    assert model.path in (unpacked, unpacked / prefix.rstrip("/"))


def test_a_zip_is_unpacked_once_for_each_content(
    make_zip: Callable[..., Path], cache: Path
) -> None:
    first = open_model(make_zip())
    marker = first.path / "marker"
    marker.touch()
    assert open_model(make_zip()).path == first.path
    assert marker.exists()
    assert open_model(make_zip(("more.txt", b"x"))).path != first.path


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "a/../../evil.txt", "/evil.txt", "..\\evil.txt", "C:\\evil.txt", "C:evil.txt"],
)
def test_a_path_that_leaves_the_folder_is_refused(
    make_zip: Callable[..., Path], tmp_path: Path, cache: Path, name: str
) -> None:
    with pytest.raises(ModelError, match="leaves its folder"):
        open_model(make_zip((name, b"evil")))
    assert not list(tmp_path.rglob("evil*"))
    assert not list((cache / "dfsubmit" / "models").iterdir())


def test_a_link_is_refused(make_zip: Callable[..., Path], cache: Path) -> None:
    with pytest.raises(ModelError, match="holds a link: 'weights'"):
        open_model(make_zip((link("weights"), b"/etc/passwd")))
    assert not list((cache / "dfsubmit" / "models").iterdir())


def test_a_pipe_in_a_zip_becomes_an_ordinary_file(make_zip: Callable[..., Path]) -> None:
    model = open_model(make_zip((link("pipe", stat.S_IFIFO | 0o644), b"data")))
    assert (model.path / "pipe").read_bytes() == b"data"


def test_a_bomb_is_refused_by_what_it_unpacks_to(
    make_zip: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 5_000_000)
    members = [(f"{number}.bin", bytes(1_100_000)) for number in range(5)]
    path = make_zip(*members)
    assert path.stat().st_size < 20_000
    with pytest.raises(ModelError, match="more than 5000000 bytes"):
        open_model(path)
    assert not list((cache / "dfsubmit" / "models").iterdir())
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 6_000_000)
    assert open_model(path).name == "portrait-v1"


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_damaged_zip_is_an_error_of_the_model(
    make_zip: Callable[..., Path], cache: Path, compression: int
) -> None:
    whole = make_zip(("noise.bin", os.urandom(3000) + bytes(3000)), compression=compression)
    original = whole.read_bytes()
    refused = 0
    for offset in range(30, len(original), 97):
        data = bytearray(original)
        data[offset : offset + 8] = bytes(byte ^ 0xA5 for byte in data[offset : offset + 8])
        whole.write_bytes(data)
        try:
            open_model(whole)
        except (ModelError, UsageError):
            refused += 1
    assert refused > 5


def test_a_file_in_the_place_of_a_folder_is_an_error_of_the_model(
    make_zip: Callable[..., Path],
) -> None:
    with pytest.raises(ModelError):
        open_model(make_zip(("a", b"file"), ("a/b", b"inside it")))


def test_a_cache_that_cannot_be_written_is_an_error_of_the_model(
    make_zip: Callable[..., Path], cache: Path
) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="cache"):
        open_model(make_zip())
