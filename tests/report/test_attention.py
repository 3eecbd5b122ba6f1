"""Where the model looked: Grad-CAM as captum computes it, on every family of networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_networks import SIDE, save_tiny, tiny_classifier

from dfsubmit.errors import ModelError
from dfsubmit.hooks.network import take_images
from dfsubmit.report.attention import attention_maps, grad_cam, rollout, shuffled_head


def images(side: int = SIDE) -> Any:
    import torch

    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(5))


def network_of(kind: str) -> Any:
    return take_images(tiny_classifier(kind).eval())


def crops(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    generator = np.random.default_rng(3)
    return generator.integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def captums_map(network: Any, layer: Any, pixels: Any, class_index: int) -> Any:
    attribution = pytest.importorskip(
        "captum.attr", reason="captum is the other implementation: pip install 'dfsubmit[dev]'"
    )
    explained = attribution.LayerGradCam(lambda batch: network(pixel_values=batch).logits, layer)
    return explained.attribute(pixels, target=class_index, relu_attributions=True)[:, 0].detach()


@pytest.mark.parametrize("class_index", [0, 1])
def test_a_convolutional_networks_map_is_captums(class_index: int) -> None:
    network, pixels = network_of("resnet"), images(96)
    ours = grad_cam(network, pixels, class_index)
    theirs = captums_map(network, network.resnet.encoder.stages[-1], pixels, class_index)
    assert ours.shape == (2, 3, 3)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("class_index", [0, 1])
def test_a_vits_map_is_captums_of_the_tokens_before_the_last_block(class_index: int) -> None:
    """captum takes a layer's second dimension for its channels, so the patches pass one as a
    picture: split off, laid in a grid, and put back."""
    import torch

    network, pixels = network_of("dinov2_with_registers"), images()
    ours = grad_cam(network, pixels, class_index)

    class Passing(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, block: Any) -> None:
            super().__init__()
            self.block, self.picture = block, torch.nn.Identity()

        def forward(self, tokens: Any, *more: Any, **named: Any) -> Any:
            extra, patches = tokens[:, :3], tokens[:, 3:]  # class, two registers
            picture = self.picture(patches.transpose(1, 2).unflatten(2, (4, 4)))
            tokens = torch.cat([extra, picture.flatten(2).transpose(1, 2)], dim=1)
            return self.block(tokens, *more, **named)

    blocks = [part for part in network.modules() if isinstance(part, torch.nn.ModuleList)][-1]
    blocks[-1] = Passing(blocks[-1])
    theirs = captums_map(network, blocks[-1].picture, pixels, class_index)
    assert ours.shape == (2, 4, 4)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(
    ("kind", "side", "grid"),
    [
        ("vit", 32, 4),
        ("deit", 32, 4),
        ("beit", 32, 4),
        ("data2vec-vision", 32, 4),
        ("dinov2", 32, 4),
        ("clip", 32, 4),
        ("siglip", 32, 4),
        ("siglip2", 32, 4),
        ("swin", 32, 4),
        ("swinv2", 32, 4),
        ("focalnet", 32, 4),
        ("convnextv2", 96, 3),
        ("regnet", 96, 3),
        ("swiftformer", 96, 3),
        ("poolformer", 96, 3),
    ],
)
def test_every_family_has_a_map_that_depends_on_the_picture(
    kind: str, side: int, grid: int
) -> None:
    found = [grad_cam(network_of(kind), images(side), index) for index in (0, 1)]
    assert all(maps.shape == (2, grid, grid) and (maps >= 0).all() for maps in found)
    assert any((first != second).any() for first, second in found)


def test_mobile_and_efficient_networks_have_a_map() -> None:
    from transformers import AutoModelForImageClassification, EfficientNetConfig

    config = EfficientNetConfig(width_coefficient=0.1, depth_coefficient=0.1, hidden_dim=128)
    efficient = AutoModelForImageClassification.from_config(config).eval()
    for network in (efficient, network_of("mobilenet_v2")):
        assert grad_cam(network, images(96), 1).shape == (2, 3, 3)


def test_a_map_of_tokens_out_of_order_is_refused() -> None:
    with pytest.raises(ModelError, match="hiera network cannot be drawn"):
        grad_cam(network_of("hiera"), images(), 1)


def test_rollout_is_the_product_of_the_layers() -> None:
    import torch

    network = network_of("vit")
    implementation = network.config._attn_implementation
    ours = rollout(network, images()).numpy()
    with shuffled_head(network):  # the last layer has no part in it: hence no control
        assert (rollout(network, images()).numpy() == ours).all()
    assert network.config._attn_implementation == implementation
    network.set_attn_implementation("eager")
    with torch.no_grad():
        first, second = network(pixel_values=images(), output_attentions=True).attentions
    one = np.eye(17)
    product = (second.mean(1).numpy() + one) / 2 @ ((first.mean(1).numpy() + one) / 2)
    np.testing.assert_allclose(ours, product[:, 0, 1:].reshape(2, 4, 4), rtol=1e-5)


@pytest.mark.parametrize("kind", ["swin", "resnet"])
def test_rollout_of_no_plain_vit_is_refused(kind: str) -> None:
    with pytest.raises(ModelError, match="rollout needs a plain ViT") as caught:
        rollout(network_of(kind), images())
    assert caught.value.hint == "take Grad-CAM"


def test_a_folders_maps_cover_the_crops_and_the_control_is_another(tmp_path: Path) -> None:
    folder = save_tiny("vit", tmp_path / "model")
    looks = attention_maps(folder, crops(3), 1, batch_size=2)
    assert looks.rollout is not None
    for maps in (looks.maps, looks.control, looks.rollout):
        assert maps.shape == (3, SIDE, SIDE)
        assert maps.dtype == np.float32
        assert maps.min() >= 0
        assert maps.max() == 1
    assert np.abs(looks.maps - looks.control).max() > 0.1
    alone = attention_maps(folder, crops(3)[2:], 1)
    np.testing.assert_allclose(alone.maps[0], looks.maps[2], atol=1e-4)
    assert len(attention_maps(folder, crops(0), 1).maps) == 0


def test_crops_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = save_tiny("vit", tmp_path / "model")
    with pytest.raises(ValueError, match="for 32 x 32"):
        attention_maps(folder, crops(1)[:, :16], 1)


def test_shuffled_weights_come_back_whatever_happens() -> None:
    network = network_of("swiftformer")  # two heads
    before = [network.head.weight.clone(), network.dist_head.weight.clone()]

    def fail_inside() -> None:
        with shuffled_head(network):
            for head, weight in zip((network.head, network.dist_head), before, strict=True):
                assert (head.weight != weight).any()
                assert (head.weight.flatten().sort()[0] == weight.flatten().sort()[0]).all()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail_inside()
    assert (network.head.weight == before[0]).all()
    assert (network.dist_head.weight == before[1]).all()
