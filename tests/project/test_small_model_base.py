"""The conversion of the small model's base gives what the published network computes."""

from __future__ import annotations

import pytest

pytest.importorskip("transformers")

import torch
from torch.nn import functional

from benchmarks.small_model_base import convert

# Of each block: channels in, expanded, out, kernel, stride (Tan and Le, ICML 2019, table 1).
BLOCKS = [(32, 1, 16, 3, 1)]
for wide_in, wide, kernel, stride, repeats in (
    (16, 24, 3, 2, 2),
    (24, 40, 5, 2, 2),
    (40, 80, 3, 2, 3),
    (80, 112, 5, 1, 3),
    (112, 192, 5, 2, 4),
    (192, 320, 3, 1, 1),
):
    BLOCKS += [(wide_in, 6, wide, kernel, stride)] + [(wide, 6, wide, kernel, 1)] * (repeats - 1)

Weights = dict[str, torch.Tensor]


def checkpoint() -> Weights:
    """Random weights under the published names."""
    chance = torch.Generator().manual_seed(3)
    state: Weights = {}

    def layer(name: str, norm: str, *shape: int) -> None:
        fan_in = shape[1] * shape[2] * shape[3]
        state[f"{name}.weight"] = torch.randn(*shape, generator=chance) * (2 / fan_in) ** 0.5
        for part, low, high in (("weight", 0.8, 1.2), ("bias", -0.1, 0.1)):
            state[f"{norm}.{part}"] = torch.empty(shape[0]).uniform_(low, high, generator=chance)
        state[f"{norm}.running_mean"] = 0.1 * torch.randn(shape[0], generator=chance)
        state[f"{norm}.running_var"] = torch.empty(shape[0]).uniform_(0.5, 2, generator=chance)
        state[f"{norm}.num_batches_tracked"] = torch.tensor(0)

    layer("_conv_stem", "_bn0", 32, 3, 3, 3)
    for number, (before, times, after, kernel, _) in enumerate(BLOCKS):
        name, wide = f"_blocks.{number}.", before * times
        if times > 1:
            layer(f"{name}_expand_conv", f"{name}_bn0", wide, before, 1, 1)
        layer(f"{name}_depthwise_conv", f"{name}_bn1", wide, 1, kernel, kernel)
        layer(f"{name}_project_conv", f"{name}_bn2", after, wide, 1, 1)
    layer("_conv_head", "_bn1", 1280, 320, 1, 1)
    state["_fc.weight"] = 0.05 * torch.randn(1000, 1280, generator=chance)
    state["_fc.bias"] = 0.05 * torch.randn(1000, generator=chance)
    return state


def plain(state: Weights, values: torch.Tensor) -> torch.Tensor:
    """EfficientNet-Lite0 without any framework's layers; TensorFlow's padding."""

    def norm(maps: torch.Tensor, name: str) -> torch.Tensor:
        mean, variance, weight, bias = (
            state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(maps, mean, variance, weight, bias, False, 0, 1e-3)

    def conv(maps: torch.Tensor, name: str, stride: int = 1, groups: int = 1) -> torch.Tensor:
        weight = state[f"{name}.weight"]
        size, kernel = maps.shape[-1], weight.shape[-1]
        missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        ends = (missing // 2, missing - missing // 2)
        return functional.conv2d(functional.pad(maps, ends * 2), weight, None, stride, 0, 1, groups)

    maps = functional.relu6(norm(conv(values, "_conv_stem", 2), "_bn0"))
    for number, (_, times, _, _, stride) in enumerate(BLOCKS):
        name, inner = f"_blocks.{number}.", maps
        if times > 1:
            inner = functional.relu6(norm(conv(inner, f"{name}_expand_conv"), f"{name}_bn0"))
        inner = conv(inner, f"{name}_depthwise_conv", stride, inner.shape[1])
        inner = norm(
            conv(functional.relu6(norm(inner, f"{name}_bn1")), f"{name}_project_conv"),
            f"{name}_bn2",
        )
        maps = maps + inner if maps.shape == inner.shape else inner
    maps = functional.relu6(norm(conv(maps, "_conv_head"), "_bn1")).mean((2, 3))
    return maps @ state["_fc.weight"].T + state["_fc.bias"]


def test_the_converted_network_computes_the_same() -> None:
    state = checkpoint()
    values = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = plain(state, values)
        logits = convert(dict(state), 64)(pixel_values=values).logits
    assert expected.std() > 0.1
    torch.testing.assert_close(logits, expected, atol=1e-3, rtol=1e-3)


def test_a_checkpoint_of_another_network_is_refused() -> None:
    state = checkpoint()
    del state["_blocks.7._expand_conv.weight"]
    with pytest.raises(RuntimeError, match=r"blocks\.7\.expansion"):
        convert(state, 64)
