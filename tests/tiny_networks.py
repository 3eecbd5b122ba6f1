"""Classifiers of every family that people fine-tune, tiny and random, as folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIDE = 32
_VIT: dict[str, Any] = {
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "image_size": SIDE,
    "patch_size": 8,
}
_TEXT: dict[str, Any] = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "vocab_size": 20,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
_SWIN: dict[str, Any] = {
    "embed_dim": 8,
    "depths": [1, 1],
    "num_heads": [1, 2],
    "window_size": 4,
    "image_size": SIDE,
    "patch_size": 4,
}
_STAGES: dict[str, Any] = {"hidden_sizes": [4, 8, 8, 8], "depths": [1, 1, 1, 1]}
_TWO_HALVES: dict[str, Any] = {"text_config": _TEXT, "vision_config": _VIT}
_SIGLIP2 = {key: value for key, value in _VIT.items() if key != "image_size"} | {"num_patches": 16}
_DINOV2 = {key: value for key, value in _VIT.items() if key != "intermediate_size"}

# Model type → arguments of its configuration, and the image processor of its checkpoints.
FAMILIES: dict[str, tuple[dict[str, Any], str]] = {
    "vit": (_VIT, "ViT"),
    "deit": (_VIT, "DeiT"),
    "swin": (_SWIN, "ViT"),
    "swinv2": (_SWIN, "ViT"),
    "convnextv2": (_STAGES, "ConvNext"),
    "clip": (_TWO_HALVES, "CLIP"),
    "siglip": (_TWO_HALVES, "Siglip"),
    "siglip2": ({"text_config": _TEXT, "vision_config": _SIGLIP2}, "Siglip2"),
    "dinov2": (_DINOV2, "Bit"),
    "dinov2_with_registers": (_DINOV2 | {"num_register_tokens": 2}, "Bit"),
    "beit": (_VIT, "Beit"),
    "data2vec-vision": (_VIT, "Beit"),
    "resnet": (_STAGES | {"embedding_size": 4, "layer_type": "basic"}, "ConvNext"),
    "regnet": (_STAGES | {"embedding_size": 4, "groups_width": 4}, "ConvNext"),
    "swiftformer": ({"depths": [1, 1, 1, 1], "embed_dims": [4, 4, 8, 8]}, "ViT"),
    "poolformer": (_STAGES, "PoolFormer"),
    "mobilenet_v2": (
        {"depth_multiplier": 0.1, "min_depth": 4, "depth_divisible_by": 4},
        "MobileNetV2",
    ),
    "efficientnet": (
        {"width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 128},
        "ViT",
    ),
    "vit_msn": (_VIT, "ViT"),
    "metaclip_2": (_TWO_HALVES, "CLIP"),
    "hiera": (
        {
            "embed_dim": 8,
            "image_size": [SIDE, SIDE],
            "depths": [1, 1],
            "num_heads": [1, 2],
            "masked_unit_size": [4, 4],
            "num_query_pool": 1,
        },
        "Bit",
    ),
    "focalnet": ({"embed_dim": 8, "depths": [1, 1], "image_size": SIDE}, "Bit"),
}


def tiny_config(kind: str) -> Any:
    """The configuration of a tiny classifier of a model type, for Real and Fake."""
    from transformers import AutoConfig

    names = {0: "Real", 1: "Fake"}
    labels = {"id2label": names, "label2id": {name: index for index, name in names.items()}}
    config = AutoConfig.for_model(kind, **FAMILIES[kind][0], **labels)
    config.architectures = []
    return config


def tiny_classifier(kind: str, seed: int = 0) -> Any:
    """A transformers classifier with seeded random weights."""
    import torch
    from transformers import AutoModelForImageClassification

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForImageClassification.from_config(tiny_config(kind))
        with torch.no_grad():  # a fresh network's biases are zeros, and its norms ones
            for parameter in model.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def save_tiny(kind: str, folder: Path, change: Callable[[Any], Any] = lambda model: model) -> Path:
    """Write a tiny classifier, or what `change` makes of it, as a model folder."""
    change(tiny_classifier(kind)).save_pretrained(folder)
    write_processor(kind, folder)
    return folder


def write_processor(kind: str, folder: Path) -> None:
    """Write the ``preprocessor_config.json`` of a family, for `SIDE`."""
    name = FAMILIES[kind][1]
    config = {"image_processor_type": f"{name}ImageProcessor", "size": SIDE, "crop_size": SIDE}
    if name == "Siglip2":
        config |= {"patch_size": _VIT["patch_size"], "max_num_patches": 16}
    if name == "Siglip":
        config |= {"size": {"height": SIDE, "width": SIDE}}
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
