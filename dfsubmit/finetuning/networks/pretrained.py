"""A folder → a transformers image classifier: whether it is one, is complete, and its head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dfsubmit.console import counted, first_few
from dfsubmit.errors import ModelError
from dfsubmit.faces.preprocess import PREPROCESSOR_FILE, RESAMPLING
from dfsubmit.hooks.network import take_images

WORKING = (
    "what works: ViT, DeiT, BEiT, Swin, ConvNeXt, CLIP, SigLIP, DINOv2, ResNet, SwiftFormer and "
    "others of transformers' AutoModelForImageClassification"
)
_WHOLE = "a whole {} checkpoint works, its text half is left out: "
_INSTEAD = {
    "dinov3": "DINOv2 works: facebook/dinov2-base, facebook/dinov2-with-registers-base",
    "clip_vision": _WHOLE.format("CLIP") + "openai/clip-vit-base-patch16, -large-patch14",
    "siglip": _WHOLE.format("SigLIP") + "google/siglip2-base-patch16-224",
}
"""What to take instead, by how a model type without a classifier begins."""


def has_no_head(folder: Path, origin: str) -> bool:
    """Whether the folder holds a network without a classification head.

    It says so itself: "ViTModel" has none, and its id2label would be transformers' placeholder.

    Raises:
        ModelError: transformers makes no classifier of images of it.
    """
    import inspect

    from transformers import AutoConfig, AutoModelForImageClassification

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # whatever transformers makes of a damaged or newer config.json
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"{origin}: {type(error).__name__}: {reason}", WORKING) from error
    kind = config.model_type
    try:
        classes = AutoModelForImageClassification._model_mapping[type(config)]
    except KeyError:
        hint = next((hint for start, hint in _INSTEAD.items() if kind.startswith(start)), WORKING)
        raise ModelError(
            f"{origin}: transformers has no image classifier of model type {kind!r}", hint
        ) from None
    known = classes[0] if isinstance(classes, (list, tuple)) else classes
    if list(inspect.signature(known.forward).parameters)[1] != "pixel_values":
        raise ModelError(f"{origin}: model type {kind!r} takes no plain images", WORKING)
    return not any("ForImageClassification" in name for name in config.architectures or [])


def load_classifier(folder: Path, origin: str, names: dict[int, str], new_head: bool) -> Any:
    """The network, fp32, all of its weights from the folder but those of a new head."""
    from transformers import AutoModelForImageClassification

    try:
        model, info = AutoModelForImageClassification.from_pretrained(
            folder,
            num_labels=len(names),  # timm's own configuration goes by it
            id2label=names,
            label2id={name: index for index, name in names.items()},
            ignore_mismatched_sizes=new_head,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # whatever transformers makes of damaged weights
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"{origin}: {type(error).__name__}: {reason}") from error
    # transformers fills what is missing with random values and goes on; a new head may be so.
    head = tuple(f"{name}." for name in head_modules(model)) if new_head else ()
    missing = sorted(name for name in info["missing_keys"] if not name.startswith(head))
    if missing:
        raise ModelError(
            f"{origin}: {counted(len(missing), 'weight')} missing: {first_few(missing)}"
        )
    return take_images(model.float())


def read_preprocessor(folder: Path) -> dict[str, Any]:
    """The JSON object of ``preprocessor_config.json``, or what timm's config.json says instead."""
    path = folder / PREPROCESSOR_FILE
    try:
        if not path.exists():
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            if "pretrained_cfg" in config:
                return _from_timm(config["pretrained_cfg"])
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(f"{path}: {error}") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path}: not a JSON object")
    return found


def _from_timm(known: dict[str, Any]) -> dict[str, Any]:
    """timm's ``pretrained_cfg`` as transformers would write it: its evaluation transform, but that
    the centre crop may lie one pixel beside torchvision's, which rounds halves to even."""
    if known.get("crop_mode", "center") != "center":
        raise ValueError(f"timm's crop_mode {known['crop_mode']!r} is not supported")
    _, height, width = known["input_size"]
    if height != width:
        raise ValueError(f"timm's input_size {known['input_size']!r} is not square")
    return {
        "image_processor_type": "BitImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": int(height / (known.get("crop_pct") or 0.875))},
        "resample": RESAMPLING[known.get("interpolation", "bicubic")],
        "do_center_crop": True,
        "crop_size": {"height": height, "width": width},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(known["mean"]),
        "image_std": list(known["std"]),
    }


def head_modules(model: Any) -> list[str]:
    """The names of the modules that make logits of what the pretrained network sees.

    Everything outside the pretrained network, which is the module that `base_model_prefix` names
    or, where there is none (CLIP, SigLIP), the one that is a transformers model itself. Where there
    is neither (CLIP in transformers 4), the linear layer with as many outputs as there are classes.

    Raises:
        ModelError: the head cannot be told from the rest.
    """
    from torch.nn import Linear
    from transformers import PreTrainedModel

    parts = {
        name: part for name, part in model.named_children() if any(True for _ in part.parameters())
    }
    if hasattr(model, "timm_model"):
        classifier = model.timm_model.get_classifier()
        wanted = classifier if isinstance(classifier, tuple) else (classifier,)
        head = [
            name for name, part in model.named_modules() if any(part is each for each in wanted)
        ]
    elif model.base_model_prefix in parts:
        head = [name for name in parts if name != model.base_model_prefix]
    elif any(isinstance(part, PreTrainedModel) for part in parts.values()):
        head = [name for name, part in parts.items() if not isinstance(part, PreTrainedModel)]
    else:
        classes = model.config.num_labels
        head = [
            name
            for name, part in parts.items()
            if isinstance(part, Linear) and part.out_features == classes
        ]
    if not head:
        raise ModelError(f"{type(model).__name__}: its classification head is not known", WORKING)
    return head
