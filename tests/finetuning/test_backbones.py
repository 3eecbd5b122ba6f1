"""What may be fine-tuned, with which classes, and what is refused before the first step."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from commands import dfsubmit

from dfsubmit.errors import ModelError, UsageError
from dfsubmit.finetuning.networks.backbones import load_backbone, scratch_names, tune_only


def with_classes(model: Path, target: Path, names: list[str]) -> Path:
    """A copy of the untrained ViT whose two classes have other names."""
    shutil.copytree(model, target)
    config = json.loads((target / "config.json").read_text())
    config["id2label"] = {str(index): name for index, name in enumerate(names)}
    config["label2id"] = {name: index for index, name in enumerate(names)}
    (target / "config.json").write_text(json.dumps(config))
    return target


def test_a_base_keeps_its_head_and_its_own_names(tiny_model: Path, tmp_path: Path) -> None:
    folder = with_classes(tiny_model, tmp_path / "m", ["Deepfake", "Real"])
    backbone = load_backbone(str(folder))
    assert backbone.classes == (1, 0)
    assert backbone.model.config.id2label == {0: "Deepfake", 1: "Real"}
    plain = load_backbone(str(tiny_model))
    assert plain.classes == (0, 1)
    assert torch.equal(backbone.model.classifier.weight, plain.model.classifier.weight)
    assert backbone.recipe == plain.recipe is not None


def test_a_zip_is_a_base_too(tiny_model: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "m"), "zip", tiny_model)
    assert load_backbone(archive).classes == (0, 1)


def test_other_classes_are_refused_unless_the_head_is_new(tiny_model: Path, tmp_path: Path) -> None:
    folder = with_classes(tiny_model, tmp_path / "m", ["cat", "dog"])
    with pytest.raises(ModelError, match="cat"):
        load_backbone(str(folder))
    backbone = load_backbone(str(folder), new_head=True)
    assert backbone.model.config.id2label == {0: "Real", 1: "Fake"}


def test_without_any_base_the_hint_is_the_command_that_fetches_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def nothing_cached(name: str, **options: object) -> str:
        raise FileNotFoundError(name)

    monkeypatch.setattr("huggingface_hub.snapshot_download", nothing_cached)
    with pytest.raises(ModelError) as caught:
        load_backbone(None)
    assert "'dfsubmit models fetch baseline'" in caught.value.hint


def test_many_classes_are_refused_with_the_remedy(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        image_size=32,
        num_labels=10,
    )
    ViTForImageClassification(config).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"size": 32}')
    with pytest.raises(ModelError, match="10 classes") as error:
        load_backbone(str(tmp_path))
    assert "--new-head" in error.value.hint
    assert load_backbone(str(tmp_path), new_head=True).model.classifier.out_features == 2


def test_a_backbone_without_a_head_gets_one(tmp_path: Path) -> None:
    """As google/vit-base-patch16-224-in21k: its architecture is ViTModel."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        image_size=32,
    )
    model = ViTModel(config)
    model.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"size": 32}')
    backbone = load_backbone(str(tmp_path))
    assert backbone.model.config.id2label == {0: "Real", 1: "Fake"}
    assert backbone.recipe is None
    # The layers came along; only the head is new.
    expected = model.embeddings.patch_embeddings.projection.weight
    found = backbone.model.vit.embeddings.patch_embeddings.projection.weight
    assert torch.equal(found, expected)


def test_transformers_report_of_a_new_head_is_not_shown(tiny_model: Path, tmp_path: Path) -> None:
    from transformers.utils.logging import set_verbosity_warning

    set_verbosity_warning()  # as a process begins
    base = with_classes(tiny_model, tmp_path / "m", ["cat", "dog", "bird"])
    said: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("transformers")  # it writes where stderr was at first
    logger.addHandler(listener)
    try:
        dfsubmit("finetune", "--base", base, "--new-head", "--dry-run")
    finally:
        logger.removeHandler(listener)
    assert said == []


def test_no_base_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dfsubmit.finetuning.networks.backbones._cached", lambda name: None)
    with pytest.raises(ModelError, match="no base model") as error:
        load_backbone(None)
    assert "scratch:tiny" in error.value.hint
    with pytest.raises(ModelError, match="--base some/model"):
        load_backbone("some/model")


@pytest.mark.parametrize("name", [name for name in scratch_names() if name != "base"])
def test_a_new_network_takes_the_size_that_its_preprocessor_gives(name: str) -> None:
    backbone = load_backbone(f"scratch:{name}", image_size=64)
    size = backbone.preprocessor
    assert (size.height, size.width) == (64, 64)
    logits = backbone.model.eval()(pixel_values=torch.zeros(1, 3, 64, 64)).logits
    assert logits.shape == (1, 2)
    assert backbone.model.config.id2label == {0: "Real", 1: "Fake"}


def test_impossible_new_networks_are_refused(tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="scratch:tinny") as error:
        load_backbone("scratch:tinny")
    assert "tiny" in error.value.hint
    with pytest.raises(UsageError, match="--image-size 100"):
        load_backbone("scratch:tiny", image_size=100)
    with pytest.raises(UsageError, match="--image-size"):
        load_backbone(str(tiny_model), image_size=64)


def test_what_learns_can_be_narrowed_down() -> None:
    counts = {}
    for what in ("all", "norm", "head"):
        model = load_backbone("scratch:tiny", image_size=32).model
        counts[what] = tune_only(model, what)
        learning = {name for name, p in model.named_parameters() if p.requires_grad}
        assert {"classifier.weight", "classifier.bias"} <= learning
        if what == "norm":
            assert all("norm" in name or "classifier" in name for name in learning)
            assert any("layernorm" in name for name in learning)
    assert counts["head"][0] == 192 * 2 + 2
    assert counts["head"][0] < counts["norm"][0] < counts["all"][0] == counts["all"][1]
