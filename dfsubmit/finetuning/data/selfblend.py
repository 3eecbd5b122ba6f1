"""Self-blended images: a fake made from one real face alone.

Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images" (CVPR 2022): a real face is
blended with a slightly transformed copy of itself through a soft, warped mask of the face. The
result has the artefact common to all face swaps, a seam between two statistics of colour, sharpness
and geometry, and no artefact of a single method. The paper takes its masks from facial
landmarks, and so does this where the crops come with 68 (their convex hull). Else the mask is an
ellipse in the detector's box, which needs no landmark model and no licence.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dfsubmit.records import Box, FloatArray, Pixels

_SMALLEST = 8
"""Pixels, of a hull's shorter side."""

Floats = npt.NDArray[np.float32]


def self_blend(
    crop: Pixels, face: Box, chance: np.random.Generator, landmarks: FloatArray | None = None
) -> tuple[Pixels, Pixels]:
    """A face crop, and its blend with a transformed copy of itself.

    Where the part around the face is the one that is altered, the real picture of the pair is
    altered in the same way, as in the authors' code: outside the mask both are equal, bit for bit,
    and only the seam and what it encloses can tell them apart.

    Args:
        crop: RGB uint8 (h, w, 3).
        face: where the detector's box lies in it (see `cropping.box_in_crop`); the masks lie in it.
        chance: the source of every random choice.
        landmarks: (n, 2), in crop pixels. Where there are 68, the masks come from their hull
            instead, and the face is what it spans.

    Returns:
        (the real one, the blend), RGB uint8 (h, w, 3) each.
    """
    hull = _hull(crop.shape[:2], landmarks)
    if hull is not None:
        face, outline = hull
    inside = outside = crop.astype(np.float32)
    # Either the face or its surroundings is the part with other statistics, as in real swaps.
    if chance.random() < 0.5:
        inside = _other_statistics(inside, chance)
    else:
        outside = _other_statistics(outside, chance)
    inside = _shifted_a_little(inside, face, chance)
    shape = outline if hull is not None else _ellipse(crop.shape[:2], face, chance)
    mask = _face_mask(shape, face, chance)[:, :, None]
    return _pixels(outside), _pixels(inside * mask + outside * (1 - mask))


def _pixels(image: Floats) -> Pixels:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


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


def _shifted_a_little(image: Floats, face: Box, chance: np.random.Generator) -> Floats:
    """The image turned and scaled about the face, and moved, by a few per cent of the face."""
    import cv2

    rows, columns = image.shape[:2]
    left, top, right, bottom = face
    turn, scale = chance.uniform(-4, 4), chance.uniform(0.95, 1.05)
    middle = ((left + right) / 2, (top + bottom) / 2)
    matrix = cv2.getRotationMatrix2D(middle, turn, scale)
    matrix[:, 2] += chance.uniform(-0.03, 0.03, 2) * (right - left, bottom - top)
    moved = cv2.warpAffine(image, matrix, (columns, rows), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.float32)


def _hull(shape: tuple[int, ...], landmarks: FloatArray | None) -> tuple[Box, Floats] | None:
    """The box of the landmarks' convex hull, and the hull as a mask, float32 (rows, columns); None
    for other than 68 landmarks, or where they span next to nothing of the crop."""
    if landmarks is None or len(landmarks) != 68:
        return None
    import cv2

    rows, columns = shape
    points = np.rint(landmarks).clip((-columns, -rows), (2 * columns, 2 * rows))
    corners = points.astype(np.int32)
    mask = np.zeros(shape, np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(corners), 1.0)
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    if min(right - left, bottom - top) < _SMALLEST or not mask.any():
        return None
    return (int(left), int(top), int(right), int(bottom)), mask


def _ellipse(shape: tuple[int, ...], face: Box, chance: np.random.Generator) -> Floats:
    """An ellipse over the inner face, as a mask, float32 (rows, columns)."""
    import cv2

    mask = np.zeros(shape, np.float32)
    left, top, right, bottom = face
    width, height = max(1, right - left), max(1, bottom - top)
    x, y = left + width * chance.uniform(0.46, 0.54), top + height * chance.uniform(0.48, 0.60)
    axes = (int(width * chance.uniform(0.25, 0.40)), int(height * chance.uniform(0.28, 0.45)))
    tilt = chance.uniform(-10, 10)
    cv2.ellipse(mask, (int(x), int(y)), axes, tilt, 0, 360, 1.0, -1)
    return mask


def _face_mask(mask: Floats, face: Box, chance: np.random.Generator) -> Floats:
    """float32 (rows, columns) in [0, 1]: the mask soft and warped, sometimes only its lower half
    (mouth swaps), sometimes only partly opaque."""
    import cv2

    _, top, right, bottom = face
    width, height = max(1, right - face[0]), max(1, bottom - top)
    if chance.random() < 0.25:
        mask[: max(0, top + int(height * chance.uniform(0.35, 0.6)))] = 0
    mask = _warped(mask, width, height, chance)
    side = 2 * int(min(width, height) * chance.uniform(0.01, 0.07)) + 1
    soft = cv2.GaussianBlur(mask, (side, side), 0)
    return np.asarray(soft * np.float32(chance.choice([1.0, 1.0, 1.0, 0.75, 0.5])), np.float32)


def _warped(mask: Floats, width: int, height: int, chance: np.random.Generator) -> Floats:
    """The mask bent by a smooth random field of shifts, about 3 % of the face's size, with four
    independent values across the face."""
    import cv2

    rows, columns = mask.shape
    cells = (2, 1 + 3 * rows // height, 1 + 3 * columns // width)
    coarse = chance.normal(0, 0.03, cells).astype(np.float32)
    shifts = [cv2.resize(field, (columns, rows), interpolation=cv2.INTER_CUBIC) for field in coarse]
    down, right = np.mgrid[:rows, :columns].astype(np.float32)
    bent = cv2.remap(mask, right + shifts[0] * width, down + shifts[1] * height, cv2.INTER_LINEAR)
    return np.asarray(bent, np.float32)
