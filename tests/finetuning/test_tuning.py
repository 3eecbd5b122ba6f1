"""Which parameters learn, in every family of networks: a table, and what moved."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_networks import FAMILIES, SIDE, save_tiny, tiny_classifier, write_processor
from transformers import CONFIG_MAPPING

from dfsubmit.errors import ModelError, UsageError
from dfsubmit.finetuning.networks.backbones import frozen_statistics, load_backbone, tune_only
from dfsubmit.hooks.interfaces import LoadRequest
from dfsubmit.models.huggingface import HuggingFaceLoader

KNOWN = [kind for kind in FAMILIES if kind in CONFIG_MAPPING]  # transformers 4 lacks some

# Of each family's parameters, by their names: the head, and the normalisation layers outside it.
HEADS = {
    "swiftformer": r"(norm|head|dist_head)\.",
    "poolformer": r"(norm|classifier)\.",
}
NORMS = {
    "convnextv2": r"layernorm|stages\.[123]\.downsampling_layer\.0",
    "resnet": r"normalization",
    "regnet": r"normalization",
    "swiftformer": r"norm|patch_embedding\.[14]\.",
    "mobilenet_v2": r"normalization",
    "efficientnet": r"_bn\.|batchnorm|depthwise_norm",
}
COUNTS = {
    "vit": 10,
    "deit": 10,
    "swin": 14,
    "swinv2": 14,
    "convnextv2": 18,
    "clip": 12,
    "siglip": 12,
    "siglip2": 12,
    "dinov2": 10,
    "dinov2_with_registers": 10,
    "beit": 10,
    "data2vec-vision": 10,
    "resnet": 24,
    "regnet": 34,
    "swiftformer": 26,
    "poolformer": 16,
    "mobilenet_v2": 104,
    "efficientnet": 44,
    "vit_msn": 10,
    "metaclip_2": 12,
    "hiera": 10,
    "focalnet": 14,
}
"""Normalisation parameters outside the head: two for each layer."""


@pytest.mark.parametrize("kind", KNOWN)
def test_exactly_the_named_parameters_learn(kind: str) -> None:
    model = tiny_classifier(kind)
    names = [name for name, _ in model.named_parameters()]
    head = {name for name in names if re.match(HEADS.get(kind, r"classifier\."), name)}
    norms = {name for name in names if re.search(NORMS.get(kind, "norm"), name)} - head
    assert len(norms) == COUNTS[kind]
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    for what, expected in (("head", head), ("norm", head | norms), ("all", set(names))):
        counts = tune_only(model, what)
        assert {n for n, p in model.named_parameters() if p.requires_grad} == expected
        assert counts == (sum(sizes[name] for name in expected), sum(sizes.values()))
        assert len(expected) < len(names) or what == "all"


def test_layers_below_a_named_one_are_frozen_with_their_statistics() -> None:
    model = tiny_classifier("resnet")
    names = [name for name, _ in model.named_parameters()]
    learning, _ = tune_only(model, "from:stages.1.")
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    assert frozen == names[: len(frozen)]
    assert any("stages.0." in name for name in frozen)
    assert "stages.1." in names[len(frozen)]
    assert learning == sum(p.numel() for p in model.parameters() if p.requires_grad)
    still = {id(module) for module in frozen_statistics(model)}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            below = "embedder" in name or "stages.0." in name
            assert (id(module) in still) is below, name
    with pytest.raises(UsageError, match="no layer is called so"):
        tune_only(model, "from:attention")


@pytest.mark.parametrize("kind", KNOWN)
def test_a_saved_model_is_a_base_and_runs(kind: str, tmp_path: Path) -> None:
    """Saved under transformers' names, it is the same network for `finetune` and for `run`."""
    original = tiny_classifier(kind).eval()
    backbone = load_backbone(str(save_tiny(kind, tmp_path)))
    for name, value in original.state_dict().items():
        assert torch.equal(backbone.model.state_dict()[name], value), name
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    assert (backbone.preprocessor.height, backbone.preprocessor.width) == (SIDE, SIDE)
    with torch.no_grad():
        values = torch.from_numpy(backbone.preprocessor.normalise(pixels))
        expected = backbone.model.eval()(pixel_values=values).logits.numpy()
    model = HuggingFaceLoader().load(LoadRequest(tmp_path, device="cpu"))
    assert dict(model.id2label) == {0: "Real", 1: "Fake"}
    np.testing.assert_allclose(model.logits(pixels), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2", "dinov2"])
@pytest.mark.parametrize("what", ["head", "norm"])
def test_a_step_moves_nothing_else(kind: str, what: str) -> None:
    from dfsubmit.hooks.network import take_images

    model = take_images(tiny_classifier(kind)).train()
    tune_only(model, what)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    values = torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    torch.nn.functional.cross_entropy(
        model(pixel_values=values).logits, torch.tensor([0, 1, 0, 1])
    ).backward()
    optimizer.step()
    moved = {name for name, value in model.state_dict().items() if not before[name].equal(value)}
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    # The last normalisation of CLIP and of SigLIP's pooling are not on the way to the logits.
    idle = {name for name in learning if "post_layernorm" in name or ".head.layernorm" in name}
    assert moved == learning - (idle if kind == "clip" else {n for n in idle if ".head." in n})


def test_frozen_batch_normalisation_is_still() -> None:
    model = tiny_classifier("resnet")
    tune_only(model, "head")
    layers = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert frozen_statistics(model) == layers
    for what in ("norm", "all"):
        tune_only(model, what)
        assert frozen_statistics(model) == []


def _vision_half(model: Any) -> Any:
    """As CLIPVisionModel.save_pretrained leaves a checkpoint."""
    from transformers import CLIPVisionModel

    return CLIPVisionModel(model.config.vision_config)


def test_a_vision_half_and_dinov3_are_refused_with_what_works(tmp_path: Path) -> None:
    half = save_tiny("clip", tmp_path / "half", _vision_half)
    with pytest.raises(
        ModelError, match="no image classifier of model type 'clip_vision_model'"
    ) as e:
        load_backbone(str(half))
    assert "openai/clip-vit-base-patch16" in e.value.hint
    other = tmp_path / "dinov3"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"model_type": "dinov3_vit"}))
    with pytest.raises(ModelError, match="dinov3_vit") as e:
        load_backbone(str(other), new_head=True)
    assert "DINOv2" in e.value.hint
    (other / "config.json").write_text(json.dumps({"model_type": "imagegpt"}))
    with pytest.raises(ModelError, match="takes no plain images"):
        load_backbone(str(other), new_head=True)


@pytest.mark.parametrize("kind", ["clip", "siglip2", "swiftformer"])
def test_missing_weights_are_found_where_the_head_is_new(kind: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = save_tiny(kind, tmp_path) / "model.safetensors"
    state = load_file(path)
    head = HEADS.get(kind, r"classifier\.")
    save_file(
        {name: value for name, value in state.items() if not re.match(head, name)},
        path,
        metadata={"format": "pt"},
    )
    load_backbone(str(tmp_path), new_head=True)
    with pytest.raises(ModelError, match="weights missing"):
        load_backbone(str(tmp_path))
    gone = next(name for name in state if "norm" in name and not re.match(head, name))
    save_file(
        {name: value for name, value in state.items() if name != gone},
        path,
        metadata={"format": "pt"},
    )
    with pytest.raises(ModelError, match="1 weight missing"):
        load_backbone(str(tmp_path), new_head=True)


def test_a_whole_clip_becomes_a_classifier(tmp_path: Path) -> None:
    """As openai/clip-vit-base-patch16: both halves, no classes, a lone size."""
    from transformers import CLIPModel

    torch.manual_seed(0)
    clip = CLIPModel(tiny_classifier("clip").config)
    clip.save_pretrained(tmp_path)
    write_processor("clip", tmp_path)
    model = load_backbone(str(tmp_path)).model
    assert model.config.id2label == {0: "Real", 1: "Fake"}
    own = model.state_dict()
    found = [n for n, v in clip.state_dict().items() if n in own and own[n].equal(v)]
    assert len(found) == len(own) - 2


def test_timm_checkpoints_where_timm_is_installed(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", exc_type=ImportError)
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = timm.create_model("test_vit", pretrained=False, num_classes=7)
    save_file(network.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    known = {"input_size": [3, 160, 160], "interpolation": "bicubic", "crop_pct": 0.95}
    known |= {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "num_classes": 7}
    config = {"architecture": "test_vit", "num_classes": 7, "pretrained_cfg": known}
    (tmp_path / "config.json").write_text(json.dumps(config))
    backbone = load_backbone(str(tmp_path))
    assert (backbone.preprocessor.height, backbone.preprocessor.resize_to) == (160, 168)
    tune_only(backbone.model, "norm")
    learning = {name for name, p in backbone.model.named_parameters() if p.requires_grad}
    assert {"timm_model.head.weight", "timm_model.head.bias"} < learning
    assert all("norm" in name or ".head." in name for name in learning)
    saved = tmp_path / "saved"
    backbone.model.save_pretrained(saved)
    (saved / "preprocessor_config.json").write_text(json.dumps(backbone.preprocessor_config))
    again = load_backbone(str(saved))
    assert again.classes == (0, 1)
    pixels = np.zeros((1, 160, 160, 3), np.uint8)
    model = HuggingFaceLoader().load(LoadRequest(saved, device="cpu"))
    assert model.logits(pixels).shape == (1, 2)
