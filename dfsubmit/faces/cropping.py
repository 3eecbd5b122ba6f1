"""A face's box → the crop that the model sees.

`crop_face` is the only crop function of the project: inference, extraction and all other code use
it, with the settings of the `Recipe`.
"""

from __future__ import annotations

import numpy as np

from dfsubmit.faces.preprocess import RESAMPLING
from dfsubmit.recipe import Recipe
from dfsubmit.records import Box, FloatArray, Pixels

TEMPLATE: FloatArray = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
     [70.7299, 92.2041]]
)  # fmt: skip
"""Where the eyes, the nose and the corners of the mouth of an aligned face lie, in a square of
`TEMPLATE_SIDE`: ArcFace's template (Deng et al., CVPR 2019; insightface), which DeepfakeBench's
crops go by too."""
TEMPLATE_SIDE = 112
_FIVE_OF_68 = (37, 44, 30, 49, 55)
"""Their places among 68 landmarks, as DeepfakeBench takes them (`get_keypts`): of each eye a point
of the upper lid, and of the mouth the points beside its corners."""
_LARGEST = 4096
"""The largest side of an aligned crop without an `output_size`, since landmarks may be wrong."""

_ENDLESS = 10**7
"""The side of a frame that no crop reaches the end of."""


def crop_face(
    frame: Pixels, box: Box, recipe: Recipe, landmarks: FloatArray | None = None
) -> Pixels | None:
    """The face cut out of a frame with the recipe's margin and shape.

    Args:
        frame: RGB uint8 (height, width, 3).
        box: the detector's box in frame pixels.
        recipe: with crop_shape "box", margin × width is added at the left and the right and
            margin × height above and below, edges truncated and clipped to the frame; "square" is
            the organiser's crop (see `square_edges`). With the detector "none", the whole frame.
            With align "eyes", the template's square with the margin around it; what lies outside
            of the frame is black.
        landmarks: of the face, (5, 2) or (68, 2), in frame pixels; needed for align "eyes".

    Returns:
        RGB uint8 (h, w, 3), resized to `recipe.output_size` where the recipe asks for it; None
        where nothing of the face lies in the frame.

    Raises:
        ValueError: the recipe aligns faces and this one has no landmarks, or they are one point.
    """
    height, width = frame.shape[:2]
    if _aligns(recipe):
        return _aligned(frame, recipe, landmarks)
    if recipe.detector == "none":
        left, top, right, bottom = 0, 0, width, height
    else:
        left, top, right, bottom = _edges(box, width, height, recipe)
    if right <= left or bottom <= top:
        return None
    crop = frame[top:bottom, left:right]
    if recipe.output_size is not None and recipe.resampling is not None:
        from PIL import Image

        resample = Image.Resampling(RESAMPLING[recipe.resampling])
        picture = Image.fromarray(np.ascontiguousarray(crop))
        return np.asarray(picture.resize((recipe.output_size, recipe.output_size), resample))
    return crop


def _aligns(recipe: Recipe) -> bool:
    return recipe.align != "none" and recipe.detector != "none"


def _aligned(frame: Pixels, recipe: Recipe, landmarks: FloatArray | None) -> Pixels | None:
    import cv2

    matrix, side = _alignment(recipe, landmarks)
    height, width = frame.shape[:2]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float64)
    back = cv2.invertAffineTransform(matrix)
    x, y = (corners @ back[:, :2].T + back[:, 2]).T
    if x.max() <= 0 or y.max() <= 0 or x.min() >= width or y.min() >= height:
        return None
    # As DeepfakeBench warps: once, to the final size, with no low-pass before.
    flags = {
        "nearest": cv2.INTER_NEAREST,
        "bicubic": cv2.INTER_CUBIC,
        "lanczos": cv2.INTER_LANCZOS4,
    }.get(recipe.resampling or "", cv2.INTER_LINEAR)
    return np.asarray(cv2.warpAffine(frame, matrix, (side, side), flags=flags), np.uint8)


def _alignment(recipe: Recipe, landmarks: FloatArray | None) -> tuple[FloatArray, int]:
    """From frame pixels to those of the aligned crop, float64 (2, 3), and the crop's side.

    The least-squares similarity without reflection (Umeyama, 1991), which in the plane is
    ``z → a·z + b`` in complex numbers.

    Raises:
        ValueError: as `crop_face`.
    """
    if landmarks is None:
        raise ValueError(f"align {recipe.align!r}, and the detector gave no landmarks")
    points = landmarks[list(_FIVE_OF_68)] if len(landmarks) == 68 else landmarks
    face = points[:, 0] + 1j * points[:, 1]
    grown = 1 + (recipe.margin if recipe.crop_shape == "square" else 2 * recipe.margin)
    wanted = TEMPLATE / TEMPLATE_SIDE + (grown - 1) / 2
    there = (wanted[:, 0] + 1j * wanted[:, 1]) / grown  # in a crop of side 1
    centred = face - face.mean()
    spread = float((np.abs(centred) ** 2).sum())
    turned = np.vdot(centred, there - there.mean()) / spread if spread else 0
    if turned == 0:
        raise ValueError("the landmarks are no face's: all in one point, or out of any order")
    side = recipe.output_size or min(_LARGEST, max(1, round(1 / abs(turned))))
    a = turned * side
    b = there.mean() * side - a * face.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]]), side


def points_in_crop(
    landmarks: FloatArray, frame_size: tuple[int, ...], box: Box, recipe: Recipe
) -> FloatArray:
    """Where a face's landmarks lie in the crop that `crop_face` made of it, in crop pixels.

    Args:
        landmarks: (n, 2), in frame pixels.
        frame_size: (height, width).
        box: the face's, in frame pixels.
        recipe: that it was cut with.
    """
    height, width = frame_size
    if _aligns(recipe):
        matrix, _ = _alignment(recipe, landmarks)
        return landmarks @ matrix[:, :2].T + matrix[:, 2]
    left, top, right, bottom = 0, 0, width, height
    if recipe.detector != "none":
        left, top, right, bottom = _edges(box, width, height, recipe)
    size = recipe.output_size
    scale = (1.0, 1.0) if size is None else (size / (right - left), size / (bottom - top))
    return (landmarks - (left, top)) * scale


def box_in_crop(box: Box, crop_size: tuple[int, ...], recipe: Recipe) -> Box:
    """Where the detector's box lies in the crop that `crop_face` made of it, in crop pixels.

    A frame's right and bottom border need not be known: the crop begins at the same pixel in a
    frame without them. Only a crop that was cut short there *and* then resized to
    `recipe.output_size` is taken for whole, which moves the box by the part that is missing.

    Args:
        box: in frame pixels. A box that is the whole crop says that the file was a crop already:
            then the face is where the recipe's margin puts it, in the middle, as it is in an
            aligned crop.
        crop_size: (height, width) of the crop.
        recipe: that it was cut with.
    """
    height, width = crop_size
    if box == (0, 0, width, height) or recipe.align != "none":
        grown = 1 + (recipe.margin if recipe.crop_shape == "square" else 2 * recipe.margin)
        across, down = width / grown, height / grown
        x, y = (width - across) / 2, (height - down) / 2
        return round(x), round(y), round(x + across), round(y + down)
    left, top, right, bottom = _edges(box, _ENDLESS, _ENDLESS, recipe)
    resized = recipe.output_size is not None
    across, down = (width / (right - left), height / (bottom - top)) if resized else (1.0, 1.0)
    return (
        round((box[0] - left) * across),
        round((box[1] - top) * down),
        round((box[2] - left) * across),
        round((box[3] - top) * down),
    )


def _edges(box: Box, width: int, height: int, recipe: Recipe) -> Box:
    """The crop's edges in a frame of that size; empty where nothing of the face lies in it."""
    if recipe.crop_shape == "square":
        return square_edges(box, width, height, 1 + recipe.margin)
    across, down = box[2] - box[0], box[3] - box[1]
    return (
        max(0, int(box[0] - recipe.margin * across)),
        max(0, int(box[1] - recipe.margin * down)),
        min(width, int(box[2] + recipe.margin * across)),
        min(height, int(box[3] + recipe.margin * down)),
    )


def square_edges(box: Box, width: int, height: int, factor: float) -> Box:
    """The organiser's square around a box: factor × its longer side, centred on it.

    At the left and top border the square is moved into the frame; at the right and bottom one it
    shrinks, and stays a square.
    """
    left, top, right, bottom = box
    side = int(max(right - left, bottom - top) * factor)
    x = max((left + right) // 2 - side // 2, 0)
    y = max((top + bottom) // 2 - side // 2, 0)
    side = min(width - x, height - y, side)
    return x, y, x + side, y + side
