"""Crops → where the model looked: Grad-CAM and attention rollout, with a control beside them.

A map is no evidence. It says which parts of a crop moved the model's answer, not whether they were
manipulated, and maps of models that learnt nothing look convincing too (Adebayo et al., "Sanity
checks for saliency maps", 2018). Hence the control: the same map with the weights of the model's
last layer shuffled. Where both look alike, the map tells nothing about what the model learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dfsubmit.errors import ModelError
from dfsubmit.hooks import load_network, load_preprocessor
from dfsubmit.models.huggingface import choose_device, last_layer
from dfsubmit.records import Pixels
from dfsubmit.report.activations import Activations, no_map

Maps = npt.NDArray[np.float32]


class Looks(NamedTuple):
    """Maps over some crops, float32 (n, height, width) from 0 to 1; each has its own scale.

    Attributes:
        maps: Grad-CAM of the model.
        control: Grad-CAM of the same model with the weights of its last layer shuffled.
        rollout: attention rollout, of plain ViTs; None of other networks. It has no control: it
            uses neither the class nor the last layer, so shuffled weights change nothing.
    """

    maps: Maps
    control: Maps
    rollout: Maps | None


def attention_maps(
    folder: Path,
    crops: Pixels,
    fake_index: int,
    *,
    device: str = "cpu",
    batch_size: int = 8,
    seed: int = 0,
) -> Looks:
    """Where a model folder's network looked in some crops, when asked for the fake class.

    Args:
        folder: a model folder with weights that transformers reads (`ModelFolder.path`).
        crops: uint8 (n, height, width, 3) at the model's input size, as `Scanner` gives them: cut
            by the recipe and resized by the model's preprocessor.
        fake_index: the class that is fake, see `resolve_fake_class`.
        device: as of ``run --device``.
        batch_size: crops a pass; a pass takes some three times the memory of scoring.
        seed: of the control's shuffling.

    Raises:
        ModelError: the network cannot be loaded, or has no features that Grad-CAM could follow.
        UsageError: there is no such device.
        ValueError: the crops have another size than the model's input.
    """
    import torch

    preprocessor = load_preprocessor(folder)
    if crops.shape[1:] != (preprocessor.height, preprocessor.width, 3):
        raise ValueError(f"crops {crops.shape} for {preprocessor.height} x {preprocessor.width}")
    target = choose_device(device)
    network = load_network(folder).to(target)

    def look(method: Callable[[Any], Any]) -> Maps:
        found = [np.zeros((0, *crops.shape[1:3]), np.float32)]
        for start in range(0, len(crops), batch_size):
            pixels = preprocessor.normalise(crops[start : start + batch_size])
            images = torch.from_numpy(pixels).to(target)
            found.append(_over_the_crops(method(images), crops.shape[1], crops.shape[2]))
        return np.concatenate(found)

    def cam(images: Any) -> Any:
        return grad_cam(network, images, fake_index)

    maps = look(cam)
    with shuffled_head(network, seed):
        control = look(cam)
    try:
        rolled = look(lambda images: rollout(network, images))
    except ModelError:  # no plain ViT
        rolled = None
    return Looks(maps, control, rolled)


def grad_cam(network: Any, images: Any, class_index: int) -> Any:
    """Grad-CAM (Selvaraju et al., 2017): ReLU of the sum over channels of the features, each times
    its gradient's mean over the grid.

    The features are what the last attention block takes, without class and register tokens (behind
    it, a class token's logit has no gradient at the others), or the last feature map of a
    convolutional network.

    Args:
        network: an image classifier of transformers, in evaluation mode.
        images: float tensor (n, 3, height, width), normalised.
        class_index: whose logit is followed.

    Returns:
        float32 tensor (n, rows, columns), 0 and up; all zeros where everything speaks against the
        class.

    Raises:
        ModelError: no such features were found.
    """
    import torch

    with torch.enable_grad(), Activations(network, images) as seen:
        logits = network(pixel_values=images.detach().requires_grad_()).logits
        features = seen.features()
        (gradient,) = torch.autograd.grad(logits[:, class_index].sum(), features)
    features, gradient = (seen.as_grid(tensor.detach()) for tensor in (features, gradient))
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * features).sum(dim=1).relu().float()


def rollout(network: Any, images: Any) -> Any:
    """Attention rollout (Abnar and Zuidema, 2020): the product over the layers of each layer's
    attention, its heads averaged, half of it the identity for the residual connection; the class
    token's row over the patches, or the mean of all rows where there is no class token.

    Args, Returns: as `grad_cam`, without a class.

    Raises:
        ModelError: the network is no plain ViT, whose tokens all attend to all others.
    """
    import torch

    unfit = no_map(
        network, "rollout needs a plain ViT that gives its attention away", "take Grad-CAM"
    )
    with torch.no_grad(), _eager(network), Activations(network, images) as seen:
        try:
            attentions = network(pixel_values=images, output_attentions=True).get("attentions")
        except (TypeError, ValueError) as error:  # convolutional networks, timm's
            raise unfit from error
    shapes = {getattr(layer, "shape", None) for layer in attentions or [None]}
    shape = shapes.pop()
    if shapes or shape is None or len(shape) != 4 or shape[0] != len(images):
        raise unfit
    joint = torch.eye(shape[-1], device=images.device)
    for layer in attentions:
        joint = (layer.float().mean(dim=1) + torch.eye(shape[-1], device=images.device)) / 2 @ joint
    rows, columns = seen.grid(shape[-1])
    extra = shape[-1] - rows * columns
    looked = joint[:, 0] if extra else joint.mean(dim=1)
    return looked[:, extra:].reshape(-1, rows, columns)


@contextmanager
def shuffled_head(network: Any, seed: int = 0) -> Iterator[None]:
    """Within it, the weights of the network's last linear layers are in a random order."""
    import torch

    classes = network.config.num_labels
    ends = [module for module in network.children() if isinstance(module, torch.nn.Linear)]
    # Two where there is a distillation token: their logits are averaged.
    heads = [module for module in ends if module.out_features == classes]
    heads = heads or [last_layer(network, classes)]
    if heads == [None]:
        raise no_map(network, "it has no linear layer at its end, so no control can be made")
    generator = torch.Generator().manual_seed(seed)
    kept = [head.weight.detach().clone() for head in heads]
    try:
        with torch.no_grad():
            for head, weight in zip(heads, kept, strict=True):
                order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
                head.weight.copy_(weight.flatten()[order].view_as(weight))
        yield
    finally:
        with torch.no_grad():
            for head, weight in zip(heads, kept, strict=True):
                head.weight.copy_(weight)


@contextmanager
def _eager(network: Any) -> Iterator[None]:
    """Within it, attention is computed in the way that gives its weights away."""
    from transformers.utils import logging

    before, verbosity = network.config._attn_implementation, logging.get_verbosity()
    logging.set_verbosity_error()  # it warns of text models that are not there
    network.set_attn_implementation("eager")
    try:
        yield
    finally:
        network.set_attn_implementation(before)
        logging.set_verbosity(verbosity)


def _over_the_crops(raw: Any, height: int, width: int) -> Maps:
    """(n, rows, columns) → (n, height, width), bilinear, each divided by its largest value."""
    from torch.nn.functional import interpolate

    large = interpolate(raw[:, None], (height, width), mode="bilinear", align_corners=False)[:, 0]
    peaks = large.amax(dim=(1, 2), keepdim=True)
    scaled: Maps = (large / peaks.clamp(min=1e-30)).cpu().numpy()
    return scaled
