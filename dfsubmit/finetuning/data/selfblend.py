"""Self-blended images: a fake made from one real face alone.

Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images" (CVPR 2022): a real face is
blended with a slightly transformed copy of itself through a soft, warped mask of the face. What
remains is what every face swap leaves behind, a seam between two statistics of colour, sharpness
and geometry, and nothing that belongs to one method only. The paper takes its masks from facial
landmarks; here the mask is an ellipse where a face crop has its face, which needs no landmark
model and no licence.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dfsubmit.records import Pixels

Floats = npt.NDArray[np.float32]


def self_blend(crop: Pixels, chance: np.random.Generator) -> Pixels:
    """A face crop blended with a transformed copy of itself.

    Args:
        crop: RGB uint8 (h, w, 3), a face that fills most of it.
        chance: the source of every random choice.

    Returns:
        RGB uint8 (h, w, 3).
    """
    original = crop.astype(np.float32)
    copy = _shifted_a_little(_other_statistics(original, chance), chance)
    mask = _face_mask(crop.shape[0], crop.shape[1], chance)[:, :, None]
    # Either the face or its surroundings is the part that was changed, as in real swaps.
    inside, outside = (copy, original) if chance.random() < 0.5 else (original, copy)
    blended = inside * mask + outside * (1 - mask)
    return np.clip(np.rint(blended), 0, 255).astype(np.uint8)


def _other_statistics(image: Floats, chance: np.random.Generator) -> Floats:
    """The image with other colours, contrast and sharpness."""
    import cv2

    gain = chance.uniform(0.9, 1.1, 3).astype(np.float32)
    # A dark image would drown in a fixed offset.
    shade = min(1.0, float(image.mean()) / 100)
    image = image * gain + (chance.uniform(-10, 10, 3) * shade).astype(np.float32)
    if chance.random() < 0.5:
        middle = float(image.mean())
        image = (image - middle) * np.float32(chance.uniform(0.85, 1.15)) + np.float32(middle)
    kind = chance.random()
    rows, columns = image.shape[:2]
    if kind < 0.5:
        scale = chance.uniform(0.25, 0.6)
        small = (max(1, int(columns * scale)), max(1, int(rows * scale)))
        reduced = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        image = cv2.resize(reduced, (columns, rows), interpolation=cv2.INTER_CUBIC)
    elif kind < 0.7:
        detail = image - cv2.GaussianBlur(image, (0, 0), 1.5)
        image = image + detail * np.float32(chance.uniform(0.3, 1.0))
    return np.asarray(image, np.float32)


def _shifted_a_little(image: Floats, chance: np.random.Generator) -> Floats:
    """The image turned, scaled and moved by a few per cent."""
    import cv2

    rows, columns = image.shape[:2]
    turn, scale = chance.uniform(-4, 4), chance.uniform(0.95, 1.05)
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), turn, scale)
    matrix[:, 2] += chance.uniform(-0.03, 0.03, 2) * (columns, rows)
    moved = cv2.warpAffine(image, matrix, (columns, rows), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.float32)


def _face_mask(rows: int, columns: int, chance: np.random.Generator) -> Floats:
    """float32 (rows, columns) in [0, 1]: a soft, warped ellipse over the inner face, sometimes
    only its lower half (mouth swaps), sometimes only partly opaque."""
    import cv2

    mask = np.zeros((rows, columns), np.float32)
    centre = (columns * chance.uniform(0.46, 0.54), rows * chance.uniform(0.48, 0.60))
    axes = (columns * chance.uniform(0.25, 0.40), rows * chance.uniform(0.28, 0.45))
    cv2.ellipse(
        mask,
        (int(centre[0]), int(centre[1])),
        (int(axes[0]), int(axes[1])),
        chance.uniform(-10, 10),
        0,
        360,
        1.0,
        -1,
    )
    if chance.random() < 0.25:
        mask[: int(rows * chance.uniform(0.35, 0.6))] = 0
    mask = _warped(mask, chance)
    side = 2 * int(min(rows, columns) * chance.uniform(0.01, 0.07)) + 1
    soft = cv2.GaussianBlur(mask, (side, side), 0)
    return np.asarray(soft * np.float32(chance.choice([1.0, 1.0, 1.0, 0.75, 0.5])), np.float32)


def _warped(mask: Floats, chance: np.random.Generator) -> Floats:
    """The mask bent by a smooth random field of shifts, about 3 % of its size."""
    import cv2

    rows, columns = mask.shape
    coarse = chance.normal(0, 0.03, (2, 4, 4)).astype(np.float32)
    shifts = [cv2.resize(field, (columns, rows), interpolation=cv2.INTER_CUBIC) for field in coarse]
    down, right = np.mgrid[:rows, :columns].astype(np.float32)
    bent = cv2.remap(mask, right + shifts[0] * columns, down + shifts[1] * rows, cv2.INTER_LINEAR)
    return np.asarray(bent, np.float32)
