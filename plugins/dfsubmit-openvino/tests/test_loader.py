"""OpenVINO gives the original's probabilities, caches its graphs, and quantises on demand."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dfsubmit_openvino
import numpy as np
import pytest
from dfsubmit_openvino import convert as conversion
from dfsubmit_openvino import loader as loading
from dfsubmit_openvino import store
from dfsubmit_openvino.loader import FACES, Int8Model, OpenVinoLoader, OpenVinoModel, read_crops
from PIL import Image

from dfsubmit.errors import Exit
from dfsubmit.hooks import (
    DfsubmitError,
    FloatArray,
    FrameModel,
    LoadRequest,
    ModelError,
    NeedsFaces,
    NotInstalled,
    Pixels,
    Preprocessor,
    RecallsFaces,
    TellsArithmetic,
    UsageError,
    Warns,
)
from dfsubmit.hooks.testing import registered_by
from dfsubmit.models.huggingface import HuggingFaceLoader
from dfsubmit.samples import make_untrained_model
from dfsubmit.scoring.classifier import Classifier

# Not by importing it: that would start its telemetry before `load_openvino` can prevent it.
if importlib.util.find_spec("openvino") is None:
    pytest.skip("openvino is not installed", allow_module_level=True)

HASH = "a" * 64
CLASSES = {0: "Real", 1: "Fake"}


@pytest.fixture(scope="module")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _use_warm_cache(monkeypatch: pytest.MonkeyPatch, warm_cache: Path) -> None:
    """A conversion takes seconds: one for the tests that are not about converting."""
    monkeypatch.setattr(store, "cache_folder", lambda: warm_cache)


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache that no other test has filled."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(store, "cache_folder", lambda: folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_untrained_model(tmp_path_factory.mktemp("models") / "vit")


@pytest.fixture(scope="module")
def faces() -> Pixels:
    """Soft random shapes at the model's size."""
    coarse = np.random.default_rng(7).integers(0, 256, (24, 9, 9, 3), dtype=np.uint8)
    preprocessor = Preprocessor(224, 224)
    return np.stack([preprocessor.resize(picture) for picture in coarse])


@pytest.fixture(scope="module")
def expected(folder: Path, faces: Pixels) -> FloatArray:
    """The original's probabilities."""
    p_fake = _p_fake(HuggingFaceLoader().load(LoadRequest(folder, device="cpu")), faces)
    assert np.ptp(p_fake) > 0.1  # faces that all score the same would prove little
    return p_fake


def _p_fake(model: FrameModel, faces: Pixels, batch_size: int = 5) -> FloatArray:
    return Classifier(model, fake_index=1, batch_size=batch_size).p_fake(faces)


def test_fp32_equals_the_original_in_any_batch(
    folder: Path, faces: Pixels, expected: FloatArray
) -> None:
    model = OpenVinoLoader().load(LoadRequest(folder, CLASSES, threads=1, model_hash=HASH))
    assert (model.device, model.precision) == ("cpu (OpenVINO)", "fp32")
    assert model.id2label == CLASSES
    assert not isinstance(model, NeedsFaces)
    for batch_size in (1, 5, 24):
        np.testing.assert_allclose(_p_fake(model, faces, batch_size), expected, atol=1e-4)


def test_bf16_is_near_or_says_that_it_is_fp32(
    folder: Path, faces: Pixels, expected: FloatArray
) -> None:
    model = OpenVinoLoader().load(LoadRequest(folder, CLASSES, precision="bf16", model_hash=HASH))
    # A CPU without bf16 computes in fp32, and the model has to say so.
    difference = np.abs(_p_fake(model, faces) - expected).max()
    assert model.precision in ("bf16", "fp32")
    assert difference < (0.05 if model.precision == "bf16" else 1e-4)
    assert (difference > 1e-5) == (model.precision == "bf16")
    assert isinstance(model, OpenVinoModel)
    assert len(model.warnings) == (model.precision == "fp32")


def test_second_load_takes_the_cache(
    folder: Path, faces: Pixels, expected: FloatArray, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = LoadRequest(folder, CLASSES, model_hash=HASH)
    OpenVinoLoader().load(request)
    assert len(list(cache.iterdir())) == 1

    def fail(*_: object) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(conversion, "run_job", fail)
    model = OpenVinoLoader().load(request)
    np.testing.assert_allclose(_p_fake(model, faces), expected, atol=1e-4)
    with pytest.raises(AssertionError, match="converted again"):
        OpenVinoLoader().load(LoadRequest(folder, model_hash="b" * 64))


def test_a_damaged_cache_is_made_anew(folder: Path, cache: Path) -> None:
    request = LoadRequest(folder, CLASSES, model_hash=HASH)
    OpenVinoLoader().load(request)
    (stored,) = cache.iterdir()
    wrong = bytearray(weights := (stored / "model.bin").read_bytes())
    wrong[len(weights) // 2 + 3] ^= 0x7F  # still a number, and another one
    damage = {"model.bin": bytes(wrong), "model.xml": b"<net>", "sha256": b"\xff"}
    for name, content in damage.items():
        (stored / name).write_bytes(content)
        OpenVinoLoader().load(request)
        assert (stored / "model.bin").read_bytes() == weights
        assert (stored / "sha256").read_text() == store.checksum(stored)
        assert list(cache.iterdir()) == [stored]


def test_int8_takes_its_ranges_from_the_first_faces(
    folder: Path, faces: Pixels, expected: FloatArray, warm_cache: Path
) -> None:
    pytest.importorskip("nncf")
    request = LoadRequest(folder, CLASSES, precision="int8", model_hash=HASH)
    model = OpenVinoLoader().load(request)
    assert isinstance(model, Int8Model)
    assert model.faces_wanted == FACES
    for protocol in (NeedsFaces, RecallsFaces, TellsArithmetic, Warns):
        assert isinstance(model, protocol)
    with pytest.raises(DfsubmitError, match="seen no faces"):
        model.logits(faces)
    model.see(faces)
    assert model.faces_wanted == 0
    p_fake = _p_fake(model, faces)
    assert model.precision == "int8"
    assert 1e-5 < np.abs(p_fake - expected).max() < 0.2
    assert np.corrcoef(p_fake, expected)[0, 1] > 0.95
    # The same faces give the same graph, from the cache; others give another one.
    before = set(warm_cache.glob("*int8*"))
    again = OpenVinoLoader().load(request)
    assert isinstance(again, Int8Model)
    again.see(faces)
    np.testing.assert_allclose(_p_fake(again, faces), p_fake, atol=1e-5)
    assert set(warm_cache.glob("*int8*")) == before
    others = OpenVinoLoader().load(request)
    assert isinstance(others, Int8Model)
    others.see(faces[:8])
    assert len(set(warm_cache.glob("*int8*"))) == len(before) + 1


def test_int8_is_recalled_without_faces_or_nncf(
    folder: Path, faces: Pixels, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nncf")
    request = LoadRequest(folder, CLASSES, precision="int8", model_hash=HASH)
    model = OpenVinoLoader().load(request)
    assert isinstance(model, Int8Model)
    assert not model.recall("of these files")
    model.see(faces)
    monkeypatch.setitem(sys.modules, "nncf", None)
    again = OpenVinoLoader().load(request)
    assert isinstance(again, Int8Model)
    assert not again.recall("of other files")
    assert again.faces_wanted == FACES
    assert again.recall("of these files")
    assert again.faces_wanted == 0
    assert again.arithmetic == model.arithmetic
    np.testing.assert_allclose(_p_fake(again, faces), _p_fake(model, faces), atol=1e-5)


def test_int8_takes_a_folder_of_faces(folder: Path, faces: Pixels, tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    crops = tmp_path / "crops" / "real"
    crops.mkdir(parents=True)
    for number, face in enumerate(faces):
        Image.fromarray(face).save(crops / f"{number}.png")
    request = LoadRequest(folder, CLASSES, precision="int8", model_hash=HASH, faces=crops.parent)
    assert np.isfinite(OpenVinoLoader().load(request).logits(faces)).all()


def test_crops_are_read_evenly_and_their_absence_is_told(tmp_path: Path, faces: Pixels) -> None:
    preprocessor = Preprocessor(32, 32)
    with pytest.raises(UsageError, match="--calibration"):
        read_crops(tmp_path, preprocessor)
    for number in range(3):
        Image.fromarray(faces[number]).save(tmp_path / f"{number}.PNG")
    assert read_crops(tmp_path, preprocessor).shape == (3, 32, 32, 3)
    for name, spoil in (("z.jpg", Path.touch), ("a.jpg", os.mkfifo)):
        spoil(tmp_path / name)
        with pytest.raises(UsageError, match=name):
            read_crops(tmp_path, preprocessor)


def test_int8_without_nncf_names_it(
    folder: Path, faces: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    model = OpenVinoLoader().load(LoadRequest(folder, precision="int8", model_hash=HASH))
    assert isinstance(model, Int8Model)
    with pytest.raises(NotInstalled) as caught:
        model.see(faces[:3])  # not in the cache
    assert caught.value.hint == "pip install nncf"
    assert caught.value.exit_code == Exit.NOT_INSTALLED


def test_damaged_weights_are_named(folder: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="damaged"):
        OpenVinoLoader().load(LoadRequest(damaged))


def test_ranks_above_the_core_on_the_cpu_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loader = OpenVinoLoader()
    monkeypatch.setattr(loading, "_cuda_is_available", lambda: False)
    for precision in ("auto", "fp32", "bf16", "int8"):
        assert loader.rank(LoadRequest(folder, precision=precision)) == 20
    assert HuggingFaceLoader().rank(LoadRequest(folder)) < 20
    assert loader.rank(LoadRequest(folder, precision="fp16")) == 0
    assert loader.rank(LoadRequest(folder, device="cuda:0")) == 0
    assert loader.rank(LoadRequest(tmp_path)) == 0
    monkeypatch.setattr(loading, "_cuda_is_available", lambda: True)
    assert loader.rank(LoadRequest(folder)) == 0
    assert loader.rank(LoadRequest(folder, device="cpu")) == 20


def test_ranking_imports_no_heavy_library(tmp_path: Path) -> None:
    """For a folder that it cannot load, as the interface asks."""
    code = (
        "import sys, dfsubmit_openvino.loader as l\n"
        "from dfsubmit.hooks import LoadRequest\n"
        "from pathlib import Path\n"
        "l.OpenVinoLoader().rank(LoadRequest(Path(sys.argv[1])))\n"
        "print([name for name in ('torch', 'openvino', 'nncf') if name in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.strip() == "[]"


def test_converting_reports_to_nobody(folder: Path, tmp_path: Path) -> None:
    """OpenVINO's telemetry leaves a client number in the home folder once it is at work."""
    code = (
        "import sys\n"
        f"sys.path[:] = {sys.path!r}\n"
        "from pathlib import Path\n"
        "from dfsubmit_openvino.convert import convert\n"
        "convert(Path(sys.argv[1]), '', 224, 224)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        check=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert not (tmp_path / "intel").exists()


def test_the_hook_registers_it() -> None:
    assert set(registered_by(dfsubmit_openvino).loaders) == {"openvino"}
