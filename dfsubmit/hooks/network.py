"""A model's name → its path; a Hugging Face folder → its network. For loaders and executors."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from dfsubmit.console import counted, first_few
from dfsubmit.errors import DfsubmitError, ModelError


def find_model(model: str | os.PathLike[str]) -> Path:
    """The absolute path of a model's folder or zip; see `dfsubmit.models.search`.

    Args:
        model: a path, or a name in one of the folders that are searched.

    Raises:
        ModelError: it is not found.
    """
    path: Path = importlib.import_module("dfsubmit.models.search").find_model(model)
    return path


def load_network(folder: Path) -> Any:
    """Load the folder's transformers model in evaluation mode, as fp32 on the CPU.

    Imports torch and transformers. Does not run any code from the folder.

    Raises:
        ModelError: damaged, unsafe or incomplete weights, or a model that is not a classifier.
    """
    import pickle

    import torch
    from transformers import AutoModelForImageClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    # It warns of loss functions, which nobody uses here; weights are checked below.
    logging.set_verbosity_error()
    wanted, held = _parameters(folder), _weight_bytes(folder)
    # transformers allocates missing weights before it reports them.
    if wanted > held:
        raise ModelError(
            f"{folder}: config.json is for {wanted:,} weights, and its files hold {held:,} bytes",
            "they are torn, or of another model: copy both from where they came from",
        )
    try:
        network, info = AutoModelForImageClassification.from_pretrained(
            str(folder),
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except DfsubmitError:
        raise
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{folder}: its weights only load by running what a pickle says, which is not done",
            "convert them to model.safetensors where you trust them",
        ) from error
    except Exception as error:  # transformers raises many types for a damaged folder
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"{folder}: {type(error).__name__}: {reason}") from error
    missing = sorted(info["missing_keys"])
    if missing:
        # transformers fills missing weights with random values and continues without an error.
        raise ModelError(
            f"{folder}: {counted(len(missing), 'weight')} missing ({first_few(missing, 3)})",
            "is it a classifier? A backbone without its head has to be fine-tuned first",
        )
    for name, weight in network.named_parameters():
        # A finite sum has finite terms, and is much faster to check than every element.
        if not torch.isfinite(weight.sum()) and not torch.isfinite(weight).all():
            raise ModelError(f"{folder}: the weights {name} hold NaN or infinite values")
    return take_images(network.float().eval())


def take_images(network: Any) -> Any:
    """Make the network accept ``pixel_values`` (n, 3, height, width), and return it.

    Only SigLIP2 for native aspect ratios ("NaFlex", Tschannen et al., 2025) takes the patches of an
    image and their number per column and row. SigLIP2 models for a fixed size are SigLIP models.
    """
    if network.config.model_type == "siglip2":
        network.register_forward_pre_hook(_images_to_patches, with_kwargs=True)
    return network


def _images_to_patches(
    network: Any, arguments: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    images = named.get("pixel_values")
    if images is None or images.ndim != 4:
        return None
    side = network.config.vision_config.patch_size
    n, channels, height, width = images.shape
    rows, columns = height // side, width // side
    patches = images.reshape(n, channels, rows, side, columns, side).permute(0, 2, 4, 3, 5, 1)
    shapes = images.new_tensor([[rows, columns]]).long().expand(n, 2)
    patches = patches.reshape(n, rows * columns, -1)
    return arguments, named | {"pixel_values": patches, "spatial_shapes": shapes}


def _parameters(folder: Path) -> int:
    """The number of weights by the configuration; 0 if it is invalid, which the load reports."""
    import torch
    from transformers import AutoConfig, AutoModelForImageClassification

    try:
        config = AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        with torch.device("meta"):  # takes no memory
            network = AutoModelForImageClassification.from_config(config, trust_remote_code=False)
    except Exception:  # as in `load_network`
        return 0
    return sum(weight.numel() for weight in network.parameters())


def _weight_bytes(folder: Path) -> int:
    files = [*folder.glob("*.safetensors"), *folder.glob("*.bin")]
    return sum(file.stat().st_size for file in files)
