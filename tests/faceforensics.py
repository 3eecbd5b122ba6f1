"""A small tree in the layout of FaceForensics++, drawn from one photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

# Pairs as the real data set has them: each fake shows the scene of one and the face of the other.
PAIRS = [("000", "003"), ("010", "005"), ("024", "073"), ("033", "097"), ("044", "945")]
FRAMES = 4


def make_tree(root: Path) -> None:
    """Ten originals; for each pair two Deepfakes and one FaceSwap, in the real folder layout.

    The fakes' inner face is tinted, so that a network can learn them within seconds.
    """
    skimage = pytest.importorskip("skimage", reason="scikit-image brings the photograph")
    portrait = skimage.data.astronaut()[0:320, 60:380]
    for first, second in PAIRS:
        for name in (first, second):
            _video(root / f"original_sequences/youtube/c40/videos/{name}.mp4", portrait)
        for method, name in (
            ("Deepfakes", f"{first}_{second}"),
            ("Deepfakes", f"{second}_{first}"),
            ("FaceSwap", f"{first}_{second}"),
        ):
            path = root / f"manipulated_sequences/{method}/c40/videos/{name}.mp4"
            _video(path, _tinted(portrait))
    (root / "original_sequences/youtube/c40/videos/999.mp4").write_bytes(b"not a video")


def _tinted(portrait: npt.NDArray[Any]) -> npt.NDArray[Any]:
    mask = np.zeros(portrait.shape[:2], np.float32)
    cv2.ellipse(mask, (160, 120), (55, 70), 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 6)[:, :, None]
    tint = portrait * np.array([0.5, 1.0, 1.4])
    tinted: npt.NDArray[Any] = np.clip(portrait * (1 - mask) + tint * mask, 0, 255).astype(np.uint8)
    return tinted


def _video(path: Path, portrait: npt.NDArray[Any]) -> None:
    """The portrait, warped and lit in a way that is its scene's own, moving a little."""
    path.parent.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(int(path.stem[:3]))
    light, stretch, size = chance.uniform(0.8, 1.2, 3), chance.uniform(0.95, 1.08), len(portrait)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (size, size))
    assert writer.isOpened()
    for step in range(FRAMES + 2):
        matrix = np.array([[stretch, 0, 2.0 * step - 5], [0, 1, step]], np.float32)
        frame = cv2.warpAffine(portrait, matrix, (size, size), borderMode=cv2.BORDER_REFLECT)
        lit = np.clip(frame * light, 0, 255).astype(np.uint8)
        writer.write(np.ascontiguousarray(lit[:, :, ::-1]))
    writer.release()
