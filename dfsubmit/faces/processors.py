"""What transformers' image processors take for granted: defaults, and how they read ``size``.

In: the JSON object of ``preprocessor_config.json``. Out: the same with its class's defaults, and
the sizes that it means. The values are those of transformers 5's PIL-based classes; files that
transformers writes name every key, files written by hand and by early releases do not.
"""

from __future__ import annotations

import math
import re
from typing import Any

_OPENAI = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
_CENTRE = {"do_center_crop": True, "crop_size": 224}
_SHORTER = {"size": {"shortest_edge": 224}}
_MOBILENET = {"size": {"shortest_edge": 256}, **_CENTRE}

# Where nothing is named: 224 × 224, bilinear (2), mean and std 0.5. Bicubic is 3.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "Beit": {"resample": 3},
    "Bit": {**_SHORTER, **_CENTRE, "resample": 3, **_OPENAI},
    "CLIP": {**_SHORTER, **_CENTRE, "resample": 3, **_OPENAI},
    "ConvNext": {"size": {"shortest_edge": 384}, "crop_pct": 224 / 256, "resample": 3},
    "DeiT": {"size": 256, **_CENTRE, "resample": 3},
    "MobileNetV1": _MOBILENET,
    "MobileNetV2": _MOBILENET,
    # It knows no normalisation, so its files do not mention one.
    "MobileViT": {
        **_SHORTER,
        "do_center_crop": True,
        "crop_size": 256,
        "resample": 3,
        "do_flip_channel_order": True,
        "do_normalize": False,
    },
    "PoolFormer": {**_SHORTER, **_CENTRE, "crop_pct": 0.9, "resample": 3, **_IMAGENET},
    "Pvt": {"resample": 3, **_IMAGENET},
    "Segformer": {"size": 512, **_IMAGENET},
    "Siglip": {"size": {"height": 224, "width": 224}, "resample": 3},
    "Siglip2": {"patch_size": 16, "max_num_patches": 256},
}
_DEFAULTS["ChineseCLIP"] = _DEFAULTS["CLIP"]

# They take a lone number as the shorter edge (``default_to_square`` is false); others as a square.
_SHORTER_EDGE = {"Bit", "CLIP", "ChineseCLIP", "ConvNext", "MobileNetV1", "MobileNetV2"} | {
    "MobileViT",
    "PoolFormer",
    "Siglip",
}

# With an arithmetic of their own, which no key of theirs betrays: EfficientNet divides by std
# twice, LeViT enlarges the edge, Perceiver crops before it resizes, TextNet rounds to 32.
_PECULIAR = {"Donut", "EfficientNet", "ImageGPT", "Levit", "Perceiver", "TextNet"}


def family(config: dict[str, Any]) -> str:
    """The processor's class without its suffix, such as "CLIP"; "" where none is named.

    Raises:
        ValueError: it does what is not supported.
    """
    kind = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
    name = re.sub(r"(ImageProcessor(Fast|Pil)?|FeatureExtractor)$", "", kind)
    if name in _PECULIAR:
        raise ValueError(f"{kind} is not supported")
    return name


def with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """The object with the defaults of its class where it names nothing, or null."""
    named = {key: value for key, value in config.items() if value is not None}
    return {**_DEFAULTS.get(family(config), {}), **named}


def read_sizes(config: dict[str, Any]) -> tuple[tuple[int, int], tuple[int, int] | int]:
    """The model's (height, width), and what a crop is resized to before the centre crop: the same,
    another (height, width), or the length of its shorter edge.

    SigLIP2's processor keeps an image's proportions and gives as many patches as fit; here all
    faces of a batch have one size, the square of them, which is also what it makes of a square.

    Args:
        config: with its defaults, see `with_defaults`.

    Raises:
        ValueError: it is not supported, with the reason.
    """
    name = family(config)
    if name == "Siglip2":
        side = int(config["patch_size"]) * math.isqrt(int(config["max_num_patches"]))
        return (side, side), (side, side)
    size = config.get("size", 224)
    if isinstance(size, int) and name in _SHORTER_EDGE:
        size = {"shortest_edge": size}
    resize_to = _size(size)
    crop_pct = config.get("crop_pct")
    if crop_pct and name == "PoolFormer":
        if isinstance(resize_to, tuple) and resize_to[0] != resize_to[1]:
            raise ValueError(f"size {size!r} with crop_pct is not supported")
        edge = resize_to if isinstance(resize_to, int) else resize_to[0]
        resize_to = int(edge / crop_pct)
    elif crop_pct and isinstance(resize_to, int):
        # ConvNeXt: below 384 a shorter edge of size/crop_pct, then the centre; above, a plain warp.
        edge = resize_to
        return (edge, edge), int(edge / crop_pct) if edge < 384 else (edge, edge)
    if config.get("do_center_crop"):
        cropped = _size(config.get("crop_size", resize_to))
        return cropped if isinstance(cropped, tuple) else (cropped, cropped), resize_to
    if isinstance(resize_to, int):
        raise ValueError("size has only shortest_edge and there is no centre crop")
    return resize_to, resize_to


def _size(value: Any) -> tuple[int, int] | int:
    """(height, width), or the shorter edge, from any of the ways in which configs write it."""
    if isinstance(value, int):
        return (value, value)
    if "height" in value and "width" in value:
        return int(value["height"]), int(value["width"])
    if "shortest_edge" in value and "longest_edge" not in value:
        return int(value["shortest_edge"])
    raise ValueError(f"size {value!r} is not supported")
