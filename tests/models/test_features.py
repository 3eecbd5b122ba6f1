"""Features are what a network's last layer sees, whatever the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_networks import FAMILIES, SIDE, save_tiny

from dfsubmit.hooks import LoadRequest
from dfsubmit.models.huggingface import HuggingFaceLoader, HuggingFaceModel, last_layer

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_features_are_what_the_last_layer_sees(kind: str, tmp_path: Path) -> None:
    folder = save_tiny(kind, tmp_path / "model")
    model = HuggingFaceLoader().load(LoadRequest(folder, device="cpu"))
    assert isinstance(model, HuggingFaceModel)
    faces = np.random.default_rng(1).integers(0, 256, size=(3, SIDE, SIDE, 3), dtype=np.uint8)
    logits, features = model.logits_and_features(faces)
    np.testing.assert_array_equal(logits, model.logits(faces))
    assert features.dtype == np.float32
    assert features.shape == (3, model.feature_width)
    heads = [last_layer(model._network, 2)]
    if kind == "swiftformer":  # its two heads see the same, and the logits are their mean
        heads.append(model._network.dist_head)
    weight = np.mean([head.weight.detach().numpy() for head in heads], axis=0)
    bias = np.mean([head.bias.detach().numpy() for head in heads], axis=0)
    np.testing.assert_allclose(features @ weight.T + bias, logits, atol=1e-5)


def test_a_network_without_a_linear_layer_at_its_end_has_no_features() -> None:
    assert last_layer(torch.nn.Conv2d(3, 2, 1), 2) is None
