"""Networks to build from nothing: their names, and the transformers configuration of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# A plain vision transformer by width, depth and heads (Dosovitskiy et al., ICLR 2021; the widths
# of DeiT, Touvron et al., ICML 2021). The tiny one has half of DeiT-Ti's twelve layers.
_VITS = {"tiny": (192, 6, 3), "small": (384, 12, 6), "base": (768, 12, 12)}


def _new_vit(name: str) -> Any:
    from transformers import ViTConfig

    width, layers, heads = _VITS[name]
    return ViTConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
    )


def _new_swiftformer() -> Any:
    """A SwiftFormer (Shaker et al., ICCV 2023: convolutions with additive attention) reduced to
    about 1.4 million parameters; see docs/small-model.md for what it was chosen over."""
    from transformers import SwiftFormerConfig

    return SwiftFormerConfig(
        depths=[2, 2, 4, 2], embed_dims=[32, 64, 112, 192], mlp_ratio=3, drop_path_rate=0.0
    )


def _new_resnet() -> Any:
    """A ResNet-18 (He et al., CVPR 2016) of half its width, 2.8 million parameters: no vision
    transformer, but from few crops it learns soonest, and makes a teacher for ``--teacher``."""
    from transformers import ResNetConfig

    return ResNetConfig(
        embedding_size=32,
        hidden_sizes=[32, 64, 128, 256],
        depths=[2, 2, 2, 2],
        layer_type="basic",
    )


# Convolutional networks, and vision transformers with convolutions in them.
_CONVOLUTIONAL: dict[str, Callable[[], Any]] = {
    "swiftformer-xs": _new_swiftformer,
    "resnet-xs": _new_resnet,
}

NAMES = (*_VITS, *_CONVOLUTIONAL)


def new_config(name: str) -> tuple[Any, int, int]:
    """The configuration of one of `NAMES`, its usual side, and Pillow's number of its resampling
    filter."""
    if name in _VITS:
        return _new_vit(name), 224, 2
    return _CONVOLUTIONAL[name](), 160, 3  # bicubic keeps more of what is fine
