"""A Hugging Face folder → its network, for loaders that run or convert what transformers knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dfsubmit.console import counted, first_few
from dfsubmit.errors import DfsubmitError, ModelError


def load_network(folder: Path) -> Any:
    """The folder's transformers model, complete and in evaluation mode, fp32 on the CPU.

    Imports torch and transformers. Runs no code of the folder.

    Raises:
        ModelError: damaged, unsafe or incomplete weights, or a model that is no classifier.
    """
    import pickle

    import torch
    from transformers import AutoModelForImageClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    wanted, held = _parameters(folder), _weight_bytes(folder)
    # transformers makes room for what is missing before it says that it is.
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
    except Exception as error:  # whatever transformers makes of a damaged folder
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"{folder}: {type(error).__name__}: {reason}") from error
    missing = sorted(info["missing_keys"])
    if missing:
        # transformers fills what is missing with random values and goes on: a silent coin toss.
        raise ModelError(
            f"{folder}: {counted(len(missing), 'weight')} missing ({first_few(missing, 3)})",
            "is it a classifier? A backbone without its head has to be fine-tuned first",
        )
    for name, weight in network.named_parameters():
        # A finite sum has finite terms; it takes a fraction of the time of looking at each.
        if not torch.isfinite(weight.sum()) and not torch.isfinite(weight).all():
            raise ModelError(f"{folder}: the weights {name} hold NaN or infinite values")
    return take_images(network.float().eval())


def take_images(network: Any) -> Any:
    """The network, which now takes ``pixel_values`` (n, 3, height, width) like any other.

    Only SigLIP2's (Tschannen et al., 2025; the variant with native proportions, "NaFlex") takes an
    image's patches, and how many stand in a column and in a row. Models of it for one size are
    SigLIPs.
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
    """How many weights the configuration asks for; 0 where the load will tell what is wrong."""
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
