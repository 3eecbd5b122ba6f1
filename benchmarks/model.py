"""A ViT with random weights whose probabilities spread over the faces of given files.

An untrained head answers nearly the same for every face, and then every way to compute it seems to
agree. Its head is scaled on the files of the benchmark, so that labels can flip.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dfsubmit.faces.preprocess import load_preprocessor
from dfsubmit.faces.scan import Scanner
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.media.listing import list_media
from dfsubmit.recipe import Recipe
from dfsubmit.records import Face
from dfsubmit.samples import make_untrained_model

FRAMES_A_FILE = 3


def make_model(folder: Path, media: Path, mean: float = 0.0, size: str = "base") -> None:
    """Write the model folder.

    Args:
        folder: becomes the model.
        media: over their faces fake − real has a deviation of 1, in logits.
        mean: of that over all their faces; 0 spreads probabilities over 0.2 to 0.9.
        size: of the network: "base" or "tiny".
    """
    import torch
    from transformers import AutoModelForImageClassification

    make_untrained_model(folder, size=size)
    preprocessor = load_preprocessor(folder)
    scanner = Scanner(ScanSettings(Recipe(frames=FRAMES_A_FILE), preprocessor))
    faces: list[Face] = []
    for file in list_media(media):
        scanner.scan(file, faces.append)
    network = AutoModelForImageClassification.from_pretrained(folder).eval()
    pixels = preprocessor.normalise(np.stack([face.crop for face in faces]))
    with torch.inference_mode():
        batches = torch.from_numpy(pixels).split(8)
        logits = torch.cat([network(pixel_values=batch).logits for batch in batches])
    margin = logits[:, 1] - logits[:, 0]
    with torch.no_grad():
        scale = 1 / margin.std()
        network.classifier.weight.mul_(scale)
        network.classifier.bias.mul_(scale)
        network.classifier.bias[1] += mean - margin.mean() * scale
    network.save_pretrained(folder)
