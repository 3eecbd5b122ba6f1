"""The core's model loader: complete, finite, safe weights, or an error that says what is wrong."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfsubmit.errors import DeviceOutOfMemory, ModelError, UsageError
from dfsubmit.hooks.interfaces import LoadRequest
from dfsubmit.models.huggingface import HuggingFaceLoader, HuggingFaceModel, choose_device
from dfsubmit.records import Pixels

torch = pytest.importorskip("torch")
LOADER = HuggingFaceLoader()
Tensors = dict[str, Any]
Change = Callable[[Tensors], Tensors]
Rewrite = Callable[[Change], None]


def load(folder: Path, **options: Any) -> HuggingFaceModel:
    model = LOADER.load(LoadRequest(folder, device="cpu", **options))
    assert isinstance(model, HuggingFaceModel)
    return model


@pytest.fixture
def rewrite(model_folder: Path) -> Rewrite:
    """Change the weights: a function from the dictionary of tensors to another one."""
    from safetensors.torch import load_file, save_file

    def rewrite(change: Change) -> None:
        path = model_folder / "model.safetensors"
        save_file(change(load_file(path)), path, metadata={"format": "pt"})

    return rewrite


@pytest.fixture
def as_pickle(model_folder: Path) -> Callable[..., Any]:
    """Replace the safetensors by a pytorch_model.bin; a function of what goes into it."""

    def as_pickle(make: Callable[[Tensors], Any] = lambda state: state) -> None:
        from safetensors.torch import load_file

        path = model_folder / "model.safetensors"
        torch.save(make(load_file(path)), model_folder / "pytorch_model.bin")
        path.unlink()

    return as_pickle


@pytest.fixture(scope="module")
def faces() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, size=(5, 224, 224, 3), dtype=np.uint8)


def test_logits_are_those_of_transformers(tiny_model: Path, faces: Pixels) -> None:
    from transformers import ViTForImageClassification

    model = load(tiny_model)
    assert (dict(model.id2label), model.device, model.precision) == (
        {0: "Real", 1: "Fake"},
        "cpu",
        "fp32",
    )
    logits = model.logits(faces)
    assert logits.dtype == np.float32
    assert logits.shape == (5, 2)
    reference = ViTForImageClassification.from_pretrained(tiny_model).eval()
    with torch.inference_mode():
        pixels = torch.from_numpy(model.preprocessor.normalise(faces))
        expected = reference(pixel_values=pixels).logits.numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_a_face_scores_the_same_in_any_batch(tiny_model: Path, faces: Pixels) -> None:
    model = load(tiny_model)
    together = model.logits(faces)
    for row in range(len(faces)):
        alone = model.logits(np.ascontiguousarray(faces[row : row + 1]))
        np.testing.assert_allclose(alone[0], together[row], atol=1e-4)


def test_bf16_is_near_and_says_so(
    tiny_model: Path, faces: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfsubmit.models.huggingface.cpu_has_bf16", lambda: True)
    exact, rounded = load(tiny_model), load(tiny_model, precision="bf16")
    assert rounded.precision == "bf16"
    difference = np.abs(rounded.logits(faces) - exact.logits(faces))
    assert 0 < difference.max() < 0.1


def test_a_cpu_without_bf16_computes_in_fp32_and_says_so(
    tiny_model: Path, faces: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfsubmit.models.huggingface.cpu_has_bf16", lambda: False)
    exact, asked = load(tiny_model), load(tiny_model, precision="bf16")
    assert asked.precision == "fp32"
    assert asked.warnings == ["--precision bf16: this CPU has no bf16 instructions, fp32 is used"]
    assert not exact.warnings
    np.testing.assert_array_equal(asked.logits(faces), exact.logits(faces))


def test_fp16_weights_are_raised_to_fp32(
    model_folder: Path, rewrite: Rewrite, edit_json: Callable[..., None], faces: Pixels
) -> None:
    exact = load(model_folder).logits(faces)
    rewrite(lambda state: {name: tensor.half() for name, tensor in state.items()})
    edit_json(model_folder / "config.json", torch_dtype="float16", dtype="float16")
    model = load(model_folder)
    assert model.precision == "fp32"
    assert {weight.dtype for weight in model._network.parameters()} == {torch.float32}
    np.testing.assert_allclose(model.logits(faces), exact, atol=0.02)


def test_threads_are_set(tiny_model: Path) -> None:
    before = torch.get_num_threads()
    try:
        load(tiny_model, threads=3)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_missing_head_is_not_filled_with_random_numbers(
    model_folder: Path, rewrite: Rewrite
) -> None:
    rewrite(lambda state: {k: v for k, v in state.items() if not k.startswith("classifier")})
    with pytest.raises(ModelError, match=r"2 weights missing \(classifier\.bias") as caught:
        load(model_folder)
    assert "head" in caught.value.hint


@pytest.mark.parametrize("more", [{"num_hidden_layers": 900}, {"image_size": 100_000}])
def test_no_room_is_made_for_weights_that_the_files_cannot_hold(
    model_folder: Path, edit_json: Callable[..., None], more: dict[str, Any]
) -> None:
    edit_json(model_folder / "config.json", **more)
    with pytest.raises(ModelError, match=r"is for [\d,]+ weights, and its files hold"):
        load(model_folder)


def test_a_head_of_another_size_is_refused(model_folder: Path, rewrite: Rewrite) -> None:
    def third_class(state: Tensors) -> Tensors:
        grown = {k: torch.cat([v, v[:1]]) for k, v in state.items() if k.startswith("classifier")}
        return {**state, **grown}

    rewrite(third_class)
    with pytest.raises(ModelError, match="model"):
        load(model_folder)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(
    model_folder: Path, rewrite: Rewrite, bad: float
) -> None:
    def spoil(state: Tensors) -> Tensors:
        state["classifier.weight"][1, 3] = bad
        return state

    rewrite(spoil)
    with pytest.raises(ModelError, match=r"classifier\.weight hold NaN or infinite"):
        load(model_folder)


def test_a_safe_pickle_is_accepted(
    model_folder: Path, as_pickle: Callable[..., Any], faces: Pixels
) -> None:
    exact = load(model_folder).logits(faces)
    as_pickle()
    assert LOADER.rank(LoadRequest(model_folder)) == 10
    np.testing.assert_allclose(load(model_folder).logits(faces), exact, atol=1e-5)


class Evil:
    """What a pickle may do: call anything, here make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(
    model_folder: Path, as_pickle: Callable[..., Any], tmp_path: Path
) -> None:
    harm = tmp_path / "harm"
    as_pickle(lambda state: {**state, "extra": Evil(harm)})
    with pytest.raises(ModelError, match="pickle") as caught:
        load(model_folder)
    assert "safetensors" in caught.value.hint
    assert not harm.exists()
    # Such a file would have done it.
    pickle.loads(pickle.dumps(Evil(harm)))
    assert harm.exists()


def test_a_plain_pickle_that_runs_code_does_not_run(model_folder: Path, tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    (model_folder / "model.safetensors").unlink()
    (model_folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(harm)))
    with pytest.raises(ModelError):
        load(model_folder)
    assert not harm.exists()


def test_safetensors_go_before_a_pickle(model_folder: Path, tmp_path: Path) -> None:
    (model_folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(tmp_path / "harm")))
    assert load(model_folder).precision == "fp32"
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("size", [0, 7, 500, 5000])
def test_torn_weights_are_refused(model_folder: Path, size: int) -> None:
    path = model_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ModelError, match="model"):
        load(model_folder)


def test_what_is_no_image_classifier_is_refused(
    model_folder: Path, edit_json: Callable[..., None]
) -> None:
    edit_json(model_folder / "config.json", model_type="bert", architectures=["BertModel"])
    with pytest.raises(ModelError, match="model"):
        load(model_folder)


def test_a_missing_preprocessor_is_refused_before_anything_heavy(model_folder: Path) -> None:
    (model_folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"no preprocessor_config\.json"):
        load(model_folder)


def test_ranks(tiny_model: Path, tmp_path: Path) -> None:
    assert LOADER.rank(LoadRequest(tiny_model)) == 10
    assert LOADER.rank(LoadRequest(tiny_model, precision="bf16")) == 10
    assert LOADER.rank(LoadRequest(tiny_model, precision="int8")) == 0
    assert LOADER.rank(LoadRequest(tmp_path)) == 0


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_precision_that_it_does_not_have_is_refused(tiny_model: Path, precision: str) -> None:
    with pytest.raises(UsageError, match=precision):
        load(tiny_model, precision=precision)


def test_out_of_memory_is_told_apart_from_other_errors(tiny_model: Path, faces: Pixels) -> None:
    model = load(tiny_model)

    class Failing:
        def __init__(self, message: str) -> None:
            self.message = message

        def __call__(self, pixel_values: object) -> None:
            raise RuntimeError(self.message)

    model._network = Failing("DefaultCPUAllocator: can't allocate memory: you tried 8 bytes")
    with pytest.raises(DeviceOutOfMemory):
        model.logits(faces)
    model._network = Failing("mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="shapes"):
        model.logits(faces)


def test_on_the_cpu_there_is_nowhere_to_fall_back_to(tiny_model: Path) -> None:
    assert load(tiny_model).fall_back_to_cpu() is False


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cuda:-1", "gpu", ""])
def test_a_device_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="expected auto, cpu, cuda or cuda:N"):
        choose_device(name)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no CUDA device"):
        choose_device("cuda")
    assert choose_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("auto") == torch.device("cuda")
    assert choose_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(UsageError, match="there are 1 CUDA devices"):
        choose_device("cuda:1")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_gives_the_same_labels(tiny_model: Path, faces: Pixels, precision: str) -> None:
    exact = load(tiny_model).logits(faces)
    model = LOADER.load(LoadRequest(tiny_model, device="cuda", precision=precision))
    assert isinstance(model, HuggingFaceModel)
    logits = model.logits(faces)
    tolerance = 1e-3 if precision == "fp32" else 0.1
    np.testing.assert_allclose(logits, exact, atol=tolerance)
    assert model.fall_back_to_cpu()
    assert (model.device, model.precision) == ("cpu", "bf16" if precision == "bf16" else "fp32")
    np.testing.assert_allclose(model.logits(faces), exact, atol=tolerance)
