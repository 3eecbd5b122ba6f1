"""`dfsubmit models prepare` keeps an int8 graph with its model; runs use it, or say why not."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from dfsubmit_openvino import prepared, store
from dfsubmit_openvino.loader import FACES, Int8Model, OpenVinoLoader, read_crops
from dfsubmit_openvino.prepared import FACTS, prepared_folder
from PIL import Image

from dfsubmit import RunOptions, run
from dfsubmit.cli import main
from dfsubmit.hooks import LoadRequest, PreparesModels, UsageError, load_preprocessor
from dfsubmit.models.folder import hash_model
from dfsubmit.samples import make_samples, make_untrained_model

if importlib.util.find_spec("nncf") is None:
    pytest.skip("nncf is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crops")
    random = np.random.default_rng(3)
    for number in range(6):
        coarse = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        coarse.resize((224, 224)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def _prepared(tmp_path_factory: pytest.TempPathFactory, crops: Path, _cache: Path) -> Path:
    """A model that was prepared once, by the command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "cache_folder", lambda: _cache)
        folder = make_untrained_model(tmp_path_factory.mktemp("models") / "vit")
        before = hash_model(folder)
        arguments = ["models", "prepare", str(folder), "--calibration", str(crops), "--json"]
        result = CliRunner().invoke(main, [*arguments, "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert hash_model(folder) == before
    told = json.loads(result.stdout)
    assert told["folder"] == str(prepared_folder(folder))
    assert told["bytes"] > 10_000
    assert told["arithmetic"].startswith("int8 moves the probabilities of its 6 calibration faces")
    assert f"next: dfsubmit run DATA --model {folder} --precision int8" in result.stderr
    names = {path.name for path in prepared_folder(folder).iterdir()}
    assert names == {"model.xml", "model.bin", FACTS}
    assert list((folder / "openvino").iterdir()) == [prepared_folder(folder)]
    return folder


@pytest.fixture
def model(_prepared: Path, _cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to be damaged."""
    monkeypatch.setattr(store, "cache_folder", lambda: _cache)
    return Path(shutil.copytree(_prepared, tmp_path / "vit"))


def _request(model: Path, faces: Path | None = None) -> LoadRequest:
    return LoadRequest(
        model, device="cpu", precision="int8", model_hash=hash_model(model), faces=faces
    )


def _load(model: Path, faces: Path | None = None) -> Int8Model:
    loaded = OpenVinoLoader().load(_request(model, faces))
    assert isinstance(loaded, Int8Model)
    return loaded


def test_it_needs_no_faces_cache_or_nncf_and_gives_the_same_numbers(
    model: Path, crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _load(model, crops)
    monkeypatch.setattr(store, "cache_folder", lambda: tmp_path / "another machine's")
    monkeypatch.setattr(prepared, "nncf_release", lambda: "")
    monkeypatch.setitem(sys.modules, "nncf", None)
    loaded = _load(model)
    assert loaded.faces_wanted == 0
    checksum = json.loads((prepared_folder(model) / FACTS).read_text())["checksum"]
    assert loaded.arithmetic == f"{asked.arithmetic} (prepared graph {checksum[:8]})"
    faces = read_crops(crops, load_preprocessor(model))
    np.testing.assert_array_equal(loaded.logits(faces), asked.logits(faces))
    assert not (tmp_path / "another machine's").exists()


def test_named_faces_come_before_it(model: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((224, 224, 3), 90, np.uint8)).save(tmp_path / "grey.png")
    others = _load(model, tmp_path)
    assert "its 1 calibration face " in others.arithmetic
    assert "prepared" not in others.arithmetic


def _spoil_weights(folder: Path) -> None:
    content = bytearray((folder / "model.bin").read_bytes())
    content[len(content) // 2] ^= 0x7F
    (folder / "model.bin").write_bytes(content)


def _put_a_pipe(folder: Path) -> None:
    (folder / "model.bin").unlink()
    os.mkfifo(folder / "model.bin")


def _change(folder: Path, name: str, value: object) -> None:
    facts = json.loads((folder / FACTS).read_text())
    (folder / FACTS).write_text(json.dumps(facts | {name: value}))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_spoil_weights, "is damaged, and not used"),
        (_put_a_pipe, "is damaged, and not used"),
        (lambda folder: (folder / "model.xml").unlink(), "is damaged, and not used"),
        (lambda folder: (folder / FACTS).write_text("{"), "is damaged, and not used"),
        (lambda folder: _change(folder, "model", "b" * 64), "made from other weights"),
        (lambda folder: _change(folder, "openvino", "2024.6.0"), "made with OpenVINO 2024.6.0"),
        (lambda folder: _change(folder, "nncf", "2.14.0"), "made with NNCF 2.14.0"),
        (lambda folder: _change(folder, "format", 1), "another version of the plugin made it"),
    ],
)  # fmt: skip
def test_what_does_not_belong_here_is_not_used(model: Path, spoil: object, reason: str) -> None:
    assert callable(spoil)
    spoil(prepared_folder(model))
    loaded = _load(model)
    assert loaded.faces_wanted == FACES
    (warning,) = loaded.warnings
    assert reason in warning
    assert "'dfsubmit models prepare' makes it anew" in warning


def test_a_run_uses_it(model: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    make_samples(samples)
    options = RunOptions(
        model=model,
        data=samples,
        output=tmp_path / "submission.csv",
        loader="openvino",
        device="cpu",
        precision="int8",
        frames=2,
        workers=1,
        fallback=None,
        max_failures=1.0,
        progress=False,
    )
    meta = run(options).meta
    assert "(prepared graph " in meta["arithmetic"]
    assert not any("prepare" in warning for warning in meta["warnings"])


def test_what_cannot_be_prepared_is_told(
    model: Path, crops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = OpenVinoLoader()
    assert isinstance(loader, PreparesModels)
    with pytest.raises(UsageError, match="prepared with faces") as caught:
        loader.prepare(_request(model))
    assert "--calibration" in caught.value.hint
    with pytest.raises(UsageError, match="nothing to prepare for --precision fp32"):
        loader.prepare(LoadRequest(model, precision="fp32", faces=crops))
    shutil.rmtree(model / "openvino")
    (model / "openvino").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        loader.prepare(_request(model, crops))
    # One that is there is replaced as a whole.
    (model / "openvino").unlink()
    for _ in range(2):
        assert loader.prepare(_request(model, crops)).folder == prepared_folder(model)
    assert list((model / "openvino").iterdir()) == [prepared_folder(model)]
