"""The ONNX loader gives the original's probabilities, and refuses what does not fit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import dfsubmit_onnx
import numpy as np
import pytest
from dfsubmit_onnx.loader import OnnxLoader, OnnxModel, choose_providers

from dfsubmit.hooks import (
    DeviceOutOfMemory,
    FrameModel,
    LoadRequest,
    ModelError,
    Pixels,
    Preprocessor,
    UsageError,
    load_network,
)
from dfsubmit.hooks.testing import registered_by
from dfsubmit.models.folder import open_model
from dfsubmit.models.huggingface import HuggingFaceLoader
from dfsubmit.samples import make_untrained_model
from dfsubmit.scoring.classifier import Classifier

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_untrained_model(tmp_path_factory.mktemp("original") / "vit")


@pytest.fixture(scope="module")
def exported(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The original in the hub's ONNX layout: no safetensors, ``onnx/model.onnx``."""
    folder = tmp_path_factory.mktemp("exported") / "vit-onnx"
    (folder / "onnx").mkdir(parents=True)
    for name in ("config.json", "preprocessor_config.json"):
        shutil.copy(original / name, folder / name)
    _export(original, folder / "onnx" / "model.onnx", batch="dynamic")
    return folder


def _load(folder: Path) -> FrameModel:
    return OnnxLoader().load(LoadRequest(folder, open_model(folder).id2label))


def _export(original: Path, target: Path, batch: str) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    import torch

    class Logits(torch.nn.Module):  # type: ignore[misc]  # torch is Any to mypy here
        def __init__(self) -> None:
            super().__init__()
            self.network = load_network(original)

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            return self.network(pixel_values=pixel_values).logits

    any_batch = {"pixel_values": {0: torch.export.Dim("batch", max=1024)}}
    axes = any_batch if batch == "dynamic" else None
    torch.onnx.export(
        Logits().eval(),
        (torch.zeros(2, 3, 224, 224),),
        str(target),
        input_names=["pixel_values"],
        output_names=["logits"],
        dynamic_shapes=axes,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


@pytest.fixture(scope="module")
def faces() -> Pixels:
    """Soft random shapes at the model's size, as many as make two uneven batches."""
    coarse = np.random.default_rng(7).integers(0, 256, (5, 9, 9, 3), dtype=np.uint8)
    preprocessor = Preprocessor(224, 224)
    return np.stack([preprocessor.resize(picture) for picture in coarse])


def test_same_probabilities_as_the_original(original: Path, exported: Path, faces: Pixels) -> None:
    ours = _load(exported)
    theirs = HuggingFaceLoader().load(LoadRequest(original, device="cpu"))
    assert ours.id2label == theirs.id2label
    assert ours.preprocessor == theirs.preprocessor
    assert (ours.device, ours.precision) == ("cpu (ONNX Runtime)", "fp32")
    p_ours = Classifier(ours, fake_index=1, batch_size=3).p_fake(faces)
    p_theirs = Classifier(theirs, fake_index=1, batch_size=5).p_fake(faces)
    assert np.ptp(p_theirs) > 0.05  # faces that all score the same would prove little
    np.testing.assert_allclose(p_ours, p_theirs, atol=1e-4)


def test_ranks_by_what_the_folder_holds(original: Path, exported: Path, tmp_path: Path) -> None:
    loader = OnnxLoader()
    assert loader.rank(LoadRequest(exported)) == 10
    assert loader.rank(LoadRequest(original)) == 0
    assert loader.rank(LoadRequest(exported, precision="bf16")) == 0
    both = shutil.copytree(exported, tmp_path / "both")
    shutil.copy(original / "model.safetensors", both)
    assert loader.rank(LoadRequest(both)) == 5
    assert HuggingFaceLoader().rank(LoadRequest(both)) > 5
    (both / "preprocessor_config.json").unlink()
    assert loader.rank(LoadRequest(both)) == 0


def test_finds_the_file_in_the_folder_itself(exported: Path, tmp_path: Path) -> None:
    flat = shutil.copytree(exported, tmp_path / "flat")
    (flat / "onnx" / "model.onnx").rename(flat / "model.onnx")
    assert OnnxLoader().rank(LoadRequest(flat)) == 10
    assert _load(flat).precision == "fp32"


def test_ranking_imports_no_heavy_library(original: Path) -> None:
    code = (
        "import sys, dfsubmit_onnx.loader as l\n"
        "from dfsubmit.hooks import LoadRequest\n"
        "from pathlib import Path\n"
        "l.OnnxLoader().rank(LoadRequest(Path(sys.argv[1])))\n"
        "print([name for name in ('torch', 'onnxruntime') if name in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}", str(original)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.strip() == "[]"


def test_a_damaged_file_is_named(exported: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(exported, tmp_path / "damaged")
    (folder / "onnx" / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelError, match=r"model\.onnx"):
        _load(folder)


def test_a_fixed_batch_is_refused(original: Path, exported: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(exported, tmp_path / "fixed")
    _export(original, folder / "onnx" / "model.onnx", batch="fixed")
    with pytest.raises(ModelError, match="batches of exactly 2") as caught:
        _load(folder)
    assert "dynamic" in caught.value.hint


@pytest.mark.parametrize(
    ("file", "key", "value", "complaint"),
    [
        ("config.json", "id2label", {"0": "Real", "1": "Fake", "2": "Other"}, "3 classes"),
        ("preprocessor_config.json", "size", {"height": 96, "width": 96}, "96, 96"),
    ],
)
def test_a_graph_that_does_not_fit_is_refused(
    exported: Path, tmp_path: Path, file: str, key: str, value: object, complaint: str
) -> None:
    folder = shutil.copytree(exported, tmp_path / "unfit")
    config = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**config, key: value}))
    with pytest.raises(ModelError, match=complaint):
        _load(folder)


def test_providers_follow_the_device() -> None:
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    assert choose_providers("auto", [cpu]) == [cpu]
    assert choose_providers("auto", [cuda, cpu]) == [(cuda, {"device_id": 0}), cpu]
    assert choose_providers("cuda:1", [cuda, cpu]) == [(cuda, {"device_id": 1}), cpu]
    assert choose_providers("cpu", [cuda, cpu]) == [cpu]
    with pytest.raises(UsageError, match="no CUDA provider"):
        choose_providers("cuda", [cpu])


def test_a_full_device_asks_for_a_smaller_batch(faces: Pixels) -> None:
    def run(*_: object) -> None:
        raise RuntimeError("Failed to allocate memory for requested buffer of size 1")

    session = SimpleNamespace(
        get_inputs=lambda: [SimpleNamespace(name="x", type="tensor(float)")],
        get_outputs=lambda: [SimpleNamespace(name="logits")],
        get_providers=lambda: ["CUDAExecutionProvider"],
        run=run,
    )
    model = OnnxModel(session, Preprocessor(224, 224), {0: "Real", 1: "Fake"})
    with pytest.raises(DeviceOutOfMemory):
        model.logits(faces)


def test_the_hook_registers_it() -> None:
    assert set(registered_by(dfsubmit_onnx).loaders) == {"onnx"}


@pytest.mark.parametrize("location", ["../outside.bin", "/etc/hostname"])
def test_weights_outside_the_folder_are_refused(
    exported: Path, tmp_path: Path, location: str
) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime", "1.24", reason="older ones read such files")
    folder = shutil.copytree(exported, tmp_path / "reaching")
    (folder / "outside.bin").write_bytes(bytes(4 * 2))
    graph = onnx.load(folder / "onnx" / "model.onnx")
    # A weight of the shape (2,) that claims to lie in a file elsewhere.
    weight = onnx.TensorProto(name="stolen", dims=[2], data_type=onnx.TensorProto.FLOAT)
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    graph.graph.initializer.append(weight)
    logits = graph.graph.output[0].name
    producer = next(node for node in graph.graph.node if logits in node.output)
    producer.output[list(producer.output).index(logits)] = "before"
    graph.graph.node.append(onnx.helper.make_node("Add", ["before", "stolen"], [logits]))
    onnx.save(graph, folder / "onnx" / "model.onnx")
    with pytest.raises(ModelError, match=r"(?i)external data"):
        _load(folder)
