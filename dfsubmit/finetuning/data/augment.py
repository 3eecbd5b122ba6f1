"""Augmentation: faces as other cameras, uploads and crops would show them.

Two steps, around the one resize that inference does as well. `reframe` (flip, small turn, scale
and shift) works on the crop as it was cut, where no detail is lost yet. `degrade` (colour, down-
and up-scaling, blur, noise, JPEG) works at the model's input size, so that its strength is the
same for a face of 80 and one of 800 pixels.

Sources: flips, JPEG 40 to 100, down-scaling and blur as in the winning DFDC solution of Seferbekov
(2020) and in Wang et al., "CNN-generated images are surprisingly easy to spot… for now" (CVPR
2020); the geometric jitter stands for the detector's box, which moves by some per cent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfsubmit.records import Pixels


@dataclass(frozen=True)
class Strength:
    """How much may happen to a face.

    Attributes:
        turn: degrees, to either side.
        scale: the smallest and the largest factor.
        shift: share of the side, in either direction.
        amount: of degradation: scales how often each kind happens and how far colours go.
        darkest: the smallest factor on the grey levels.
        smallest: the smallest factor of down-scaling.
        blur: the largest standard deviation of blur, pixels of the input.
        noise: the largest standard deviation of noise, grey levels of 255.
        quality: the lowest JPEG quality.
    """

    turn: float
    scale: tuple[float, float]
    shift: float
    amount: float
    darkest: float
    smallest: float
    blur: float
    noise: float
    quality: int


STRENGTHS: dict[str, Strength | None] = {
    "none": None,
    "standard": Strength(
        turn=5,
        scale=(0.95, 1.15),
        shift=0.04,
        amount=0.5,
        darkest=1.0,
        smallest=0.5,
        blur=1.2,
        noise=6,
        quality=40,
    ),
    "strong": Strength(
        turn=10,
        scale=(0.85, 1.30),
        shift=0.07,
        amount=1.0,
        darkest=0.2,
        smallest=0.25,
        blur=1.8,
        noise=20,
        quality=25,
    ),
}


def reframe(crop: Pixels, strength: Strength, chance: np.random.Generator) -> Pixels:
    """The crop perhaps mirrored, and turned, scaled and moved a little; same shape."""
    import cv2

    rows, columns = crop.shape[:2]
    turn = chance.uniform(-strength.turn, strength.turn)
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), turn, chance.uniform(*strength.scale))
    matrix[:, 2] += chance.uniform(-strength.shift, strength.shift, 2) * (columns, rows)
    # Bilinear would blur nearly every face that is learned from, and none that is scored.
    moved = cv2.warpAffine(
        crop, matrix, (columns, rows), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    if chance.random() < 0.5:
        moved = moved[:, ::-1]
    return np.ascontiguousarray(moved, dtype=np.uint8)


def degrade(face: Pixels, strength: Strength, chance: np.random.Generator) -> Pixels:
    """The face with other colours and, each with its own probability, less detail; same shape."""
    import cv2

    amount = strength.amount
    rows, columns = face.shape[:2]
    if chance.random() < 0.15 + 0.5 * amount:
        face = _recolour(face, amount, chance)
    if strength.darkest < 1 and chance.random() < 0.3:
        face = np.rint(face * _log_uniform(strength.darkest, 1, chance)).astype(np.uint8)
    if chance.random() < 0.25 * amount:
        scale = chance.uniform(strength.smallest, 0.9)
        small = (max(1, int(columns * scale)), max(1, int(rows * scale)))
        reduced = cv2.resize(face, small, interpolation=cv2.INTER_AREA)
        face = cv2.resize(reduced, (columns, rows), interpolation=cv2.INTER_LINEAR)
    if chance.random() < 0.2 * amount:
        face = cv2.GaussianBlur(face, (0, 0), chance.uniform(0.3, strength.blur))
    if chance.random() < 0.2 * amount:
        noisy = face + chance.normal(0, _log_uniform(1, strength.noise, chance), face.shape)
        face = np.clip(noisy, 0, 255).astype(np.uint8)
    if chance.random() < 0.4 * amount:
        face = jpeg(face, int(chance.integers(strength.quality, 101)))
    return np.ascontiguousarray(face, dtype=np.uint8)


def _log_uniform(low: float, high: float, chance: np.random.Generator) -> float:
    """As often between 1 and 2 as between 10 and 20: small changes are the usual ones."""
    return float(np.exp(chance.uniform(np.log(low), np.log(high))))


def jpeg(face: Pixels, quality: int) -> Pixels:
    """The face after a JPEG of that quality (1 to 100), RGB uint8 in and out."""
    import cv2

    _, data = cv2.imencode(".jpg", face[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    rgb: Pixels = np.ascontiguousarray(decoded[:, :, ::-1])
    return rgb


def _recolour(face: Pixels, amount: float, chance: np.random.Generator) -> Pixels:
    """Brighter or darker, and every other time tinted."""
    shade = min(1.0, float(face.mean()) / 100)
    offset = chance.uniform(-20, 20) * amount * shade
    changed = face * chance.uniform(1 - 0.25 * amount, 1 + 0.25 * amount) + offset
    if chance.random() < 0.5:
        changed = changed * (1 + chance.uniform(-0.08, 0.08, 3) * amount)
    recoloured: Pixels = np.clip(changed, 0, 255).astype(np.uint8)
    return recoloured
