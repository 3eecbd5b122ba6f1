"""The network to fine-tune: from a folder, from the hub's cache, or a new one.

`load_backbone` returns a transformers model whose two classes are known by name. Models that are
not usable are refused before the first step.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.console import first_few
from dfsubmit.errors import ModelError, UsageError, did_you_mean
from dfsubmit.faces.preprocess import PREPROCESSOR_FILE, Preprocessor, parse_preprocessor
from dfsubmit.finetuning.networks.lora import add_lora, is_lora
from dfsubmit.finetuning.networks.pretrained import (
    has_no_head,
    head_modules,
    load_classifier,
    read_preprocessor,
)
from dfsubmit.finetuning.networks.scratch import NAMES, new_config
from dfsubmit.finetuning.options import FROM, SCRATCH, parse_lora
from dfsubmit.models.fakeclass import resolve_fake_class
from dfsubmit.options import BASELINE_MODEL
from dfsubmit.recipe import Recipe

HUB_BASE = "google/vit-base-patch16-224-in21k"
NEW_HEAD = {0: "Real", 1: "Fake"}
_NEW_HEAD_HINT = "--new-head replaces them by Real and Fake"


@dataclass(frozen=True)
class Backbone:
    """A model to fine-tune.

    Attributes:
        model: a transformers model for image classification.
        preprocessor: how crops become its input.
        preprocessor_config: the same as the JSON object that goes into the new model folder.
        classes: the model's own index of real and of fake.
        origin: what it was made from, for the model card.
        recipe: how the base model's crops were cut; None if unknown.
    """

    model: Any
    preprocessor: Preprocessor
    preprocessor_config: dict[str, Any]
    classes: tuple[int, int]
    origin: str
    recipe: Recipe | None = None


def scratch_names() -> list[str]:
    """The names that ``--base scratch:NAME`` knows."""
    return list(NAMES)


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
    if base is not None and base.startswith(SCRATCH):
        return _scratch(base.removeprefix(SCRATCH), image_size)
    if image_size is not None:
        raise UsageError("--image-size is for --base scratch:NAME", "others have a size already")
    folder, origin = locate(base)
    return _pretrained(folder, origin, new_head)


def locate(base: str | None) -> tuple[Path, str]:
    """Where on this machine a base lies, and its name; see `load_backbone`. Nothing is read.

    Raises:
        ModelError: it is not here; the hint says how to get it.
    """
    if base is None:
        if _has_weights(BASELINE_MODEL):
            return BASELINE_MODEL, str(BASELINE_MODEL)
        folder = _cached(HUB_BASE)
        if folder is None:
            raise ModelError(
                f"there is no base model: neither weights in {BASELINE_MODEL} nor {HUB_BASE} in "
                "the local hub cache",
                "fetch it with 'dfsubmit models fetch baseline', or begin with --base scratch:tiny",
            )
        return folder, HUB_BASE
    if Path(base).exists():
        return Path(base), base
    folder = _cached(base)
    if folder is None:
        raise ModelError(
            f"--base {base}: no such folder or zip, and nothing of that name in the hub cache",
            f"hf download {base}" if base.count("/") == 1 else "",
        )
    return folder, base


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
    from dfsubmit.models.folder import open_model

    opened = open_model(path)
    folder = opened.path
    headless = has_no_head(folder, origin)
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
    preprocessor_config = read_preprocessor(folder)
    try:
        preprocessor = parse_preprocessor(preprocessor_config)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise ModelError(f"{folder / PREPROCESSOR_FILE}: {error}") from error
    return Backbone(
        load_classifier(folder, origin, names, headless or new_head),
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
    config, usual_size, resample = new_config(name)
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
        "resample": resample,
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


def tune_only(model: Any, what: str) -> tuple[int, int]:
    """Freeze all but a part of the model.

    Args:
        what: "all"; "norm": the normalisation layers and the head (as in Yermakov et al., GenD,
            WACV 2026, after Frankle et al., "Training BatchNorm and only BatchNorm", ICLR 2021);
            "head" (a linear probe); "from:NAME": the parameters from the first one on whose name
            holds NAME, which spares the backward pass below it (of a convolutional network the
            first layers cost most); or "lora:r=16": see `lora.add_lora`, and the head.

    Returns:
        the number of parameters that learn, and of all. Some networks have layers that their
        logits do not depend on, such as the last normalisation of CLIP, whose classifier takes the
        mean of the patches before it; they count, and do not change.

    Raises:
        UsageError: no parameter has the NAME.
    """
    head = head_modules(model)
    upper = _from(model, what.removeprefix(FROM)) if what.startswith(FROM) else set()
    lora = parse_lora(what)
    if lora:
        add_lora(model, head, *lora)
    inside_head = {
        id(parameter) for name in head for parameter in model.get_submodule(name).parameters()
    }
    normal = {
        id(parameter)
        for module in model.modules()
        if "norm" in type(module).__name__.lower()
        for parameter in module.parameters(recurse=False)
    }
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(
            what == "all"
            or id(parameter) in inside_head
            or (what == "norm" and id(parameter) in normal)
            or name in upper
            or is_lora(name)
        )
    sizes = [(p.numel() if p.requires_grad else 0, p.numel()) for p in model.parameters()]
    return sum(size[0] for size in sizes), sum(size[1] for size in sizes)


def _from(model: Any, part: str) -> set[str]:
    """The parameters from the first one on whose name holds `part`."""
    names = [name for name, _ in model.named_parameters()]
    for place, name in enumerate(names):
        if part in name:
            return set(names[place:])
    raise UsageError(f"--tune {FROM}{part}: no layer is called so", f"known: {first_few(names)}")


def frozen_statistics(model: Any) -> list[Any]:
    """The modules with running statistics (batch normalisation) whose parameters do not learn: what
    is frozen answers as it did before, and keeps its statistics."""
    still = []
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        learns = any(parameter.requires_grad for parameter in own)
        if own and not learns and getattr(module, "running_mean", None) is not None:
            still.append(module)
    return still
