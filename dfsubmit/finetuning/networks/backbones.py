"""The network that is fine-tuned: from a folder, from the hub's cache, or a new one.

`load_backbone` answers with a transformers model whose two classes are known by name. What it
refuses, it refuses before the first step.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.console import first_few
from dfsubmit.errors import ModelError, UsageError, did_you_mean
from dfsubmit.faces.preprocess import PREPROCESSOR_FILE, Preprocessor, parse_preprocessor
from dfsubmit.models.fakeclass import resolve_fake_class
from dfsubmit.options import BASELINE_MODEL
from dfsubmit.recipe import Recipe

HUB_BASE = "google/vit-base-patch16-224-in21k"
NEW_HEAD = {0: "Real", 1: "Fake"}
_NEW_HEAD_HINT = "--new-head replaces them by Real and Fake"

# A plain vision transformer by width, depth and heads (Dosovitskiy et al., ICLR 2021; the widths
# of DeiT, Touvron et al., ICML 2021). The tiny one has half of DeiT-Ti's twelve layers.
_VITS = {"tiny": (192, 6, 3), "small": (384, 12, 6), "base": (768, 12, 12)}


@dataclass(frozen=True)
class Backbone:
    """A model to fine-tune.

    Attributes:
        model: a transformers model for image classification.
        preprocessor: how crops become its input.
        preprocessor_config: the same as the JSON object that goes into the new model folder.
        classes: the model's own index of real and of fake.
        origin: what it was made from, for the model card.
        recipe: how the crops were cut that the base model knows; None when nobody said.
    """

    model: Any
    preprocessor: Preprocessor
    preprocessor_config: dict[str, Any]
    classes: tuple[int, int]
    origin: str
    recipe: Recipe | None = None


def scratch_names() -> list[str]:
    """The names that ``--base scratch:NAME`` knows."""
    return [*_VITS, *_CONVOLUTIONAL]


def load_backbone(
    base: str | None, image_size: int | None = None, new_head: bool = False
) -> Backbone:
    """The model that `base` names.

    Args:
        base: a model folder or zip, the name of a model in the local hub cache, ``scratch:NAME``,
            or None: the baseline folder if it has weights, else `HUB_BASE` from the cache.
        image_size: side of the input of a new network; None takes its usual one.
        new_head: replace the classification head, whatever its classes are.

    Raises:
        ModelError: it cannot be loaded, or its classes are not real and fake.
        UsageError: there is no such base.
    """
    if base is not None and base.startswith("scratch:"):
        return _scratch(base.removeprefix("scratch:"), image_size)
    if image_size is not None:
        raise UsageError("--image-size is for --base scratch:NAME", "others have a size already")
    if base is None:
        folder = BASELINE_MODEL if _has_weights(BASELINE_MODEL) else _cached(HUB_BASE)
        if folder is None:
            raise ModelError(
                f"there is no base model: neither weights in {BASELINE_MODEL} nor {HUB_BASE} in "
                "the local hub cache",
                "fetch it with 'dfsubmit models fetch baseline', or begin with --base scratch:tiny",
            )
        return _pretrained(folder, HUB_BASE if folder != BASELINE_MODEL else str(folder), new_head)
    if Path(base).exists():
        return _pretrained(Path(base), base, new_head)
    folder = _cached(base)
    if folder is None:
        raise ModelError(
            f"--base {base}: no such folder or zip, and nothing of that name in the hub cache",
            f"huggingface-cli download {base}" if base.count("/") == 1 else "",
        )
    return _pretrained(folder, base, new_head)


def _has_weights(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("model.safetensors", "pytorch_model.bin"))


def _cached(name: str) -> Path | None:
    """The folder of a model in the local hub cache; the network is never asked."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError):  # the hub's own errors are of these kinds
        return None


def _pretrained(path: Path, origin: str, new_head: bool) -> Backbone:
    from transformers import AutoConfig, AutoModelForImageClassification

    from dfsubmit.models.folder import open_model

    opened = open_model(path)
    folder = opened.path
    # The folder says itself whether it has a head: "ViTModel" has none, and its id2label would
    # be transformers' own placeholder.
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    architectures = config.architectures or []
    headless = not any("ForImageClassification" in name for name in architectures)
    if headless or new_head:
        names = NEW_HEAD
    else:
        names = {int(index): str(name) for index, name in opened.id2label.items()}
        if len(names) != 2:
            classes = first_few(names.values())
            raise ModelError(f"{origin} has {len(names)} classes: {classes}", _NEW_HEAD_HINT)
    try:
        fake = resolve_fake_class(names)
    except UsageError as error:
        raise ModelError(f"{origin}: {error.message}", _NEW_HEAD_HINT) from error
    model, info = AutoModelForImageClassification.from_pretrained(
        folder,
        id2label=names,
        label2id={name: index for index, name in names.items()},
        ignore_mismatched_sizes=headless or new_head,
        trust_remote_code=False,
        output_loading_info=True,
    )
    # transformers fills what is missing with random values and goes on; a new head may be so.
    inner = f"{model.base_model_prefix}." if headless or new_head else ""
    missing = sorted(name for name in info["missing_keys"] if name.startswith(inner))
    if missing:
        raise ModelError(f"{origin}: {len(missing)} weights are missing: {missing[0]}, …")
    config_file = folder / PREPROCESSOR_FILE
    try:
        preprocessor_config = json.loads(config_file.read_text(encoding="utf-8"))
        preprocessor = parse_preprocessor(preprocessor_config)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{config_file}: {error}") from error
    return Backbone(
        model.float(),
        preprocessor,
        preprocessor_config,
        (1 - fake, fake),
        origin,
        opened.recipe if opened.recipe_known else None,
    )


def _scratch(name: str, image_size: int | None) -> Backbone:
    """A new network with random weights, drawn from torch's generator as it stands."""
    from transformers import AutoModelForImageClassification

    if name not in scratch_names():
        raise UsageError(f"--base scratch:{name}", did_you_mean(name, scratch_names()))
    config, usual_size = _new_vit(name) if name in _VITS else (_CONVOLUTIONAL[name](), 160)
    size = image_size or usual_size
    if size < 32 or size % 32:
        raise UsageError(f"--image-size {size}: a multiple of 32 is needed")
    config.image_size = size
    config.id2label = dict(NEW_HEAD)
    config.label2id = {label: index for index, label in NEW_HEAD.items()}
    preprocessor_config = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": size, "width": size},
        "resample": 3 if name in _CONVOLUTIONAL else 2,  # bicubic keeps more of what is fine
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    return Backbone(
        AutoModelForImageClassification.from_config(config),
        parse_preprocessor(preprocessor_config),
        preprocessor_config,
        (0, 1),
        f"scratch:{name}",
    )


def _new_vit(name: str) -> tuple[Any, int]:
    from transformers import ViTConfig

    width, layers, heads = _VITS[name]
    config = ViTConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
    )
    return config, 224


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


def tune_only(model: Any, what: str) -> tuple[int, int]:
    """Freeze all but a part of the model.

    Args:
        what: "all"; "norm": the normalisation layers and the head (as in Yan et al., GenD, WACV
            2026, after Frankle et al., "Training BatchNorm and only BatchNorm", ICLR 2021); or
            "head".

    Returns:
        the number of parameters that learn, and of all.
    """
    backbone = getattr(model, model.base_model_prefix, None)
    inside = {id(parameter) for parameter in backbone.parameters()} if backbone else set()
    normal = {
        id(parameter)
        for module in model.modules()
        if "norm" in type(module).__name__.lower()
        for parameter in module.parameters(recurse=False)
    }
    for parameter in model.parameters():
        head = id(parameter) not in inside
        parameter.requires_grad_(
            what == "all" or head or (what == "norm" and id(parameter) in normal)
        )
    sizes = [(p.numel() if p.requires_grad else 0, p.numel()) for p in model.parameters()]
    return sum(size[0] for size in sizes), sum(size[1] for size in sizes)
