"""Face crop → model input, exactly as transformers' PIL-based image processors do it.

In: RGB uint8 crops of any size. Out: float32 (n, 3, height, width), in two parts. `resize` gives
RGB uint8 at the model's input size and runs in the worker processes; `normalise` is the arithmetic
that follows and runs beside the model. Needs neither torch nor torchvision.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dfsubmit.errors import ModelError
from dfsubmit.faces.processors import read_sizes, with_defaults
from dfsubmit.records import Pixels

PREPROCESSOR_FILE = "preprocessor_config.json"
LARGEST_SIDE = 1024
"""Larger than the input of known classifiers; a batch of 8 as float32 takes 100 MB per copy."""
LONGEST = 64
SMALLEST_STD = 1e-6
LARGEST_INPUT, LEAST_CONTRAST = 10_000.0, 1e-3
"""The largest value of normalised black and white, and their smallest difference relative to the
larger one (to 1 if both are smaller). Raw pixel values over ImageNet's std are at most 1,140."""

# Pillow's own numbering (PIL.Image.Resampling), which preprocessor_config.json uses.
RESAMPLING = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


@dataclass(frozen=True)
class Preprocessor:
    """What ``preprocessor_config.json`` says, resolved.

    Attributes:
        height, width: of the model's input, in pixels.
        resample: Pillow's number of the resampling filter.
        resize_to: what a crop is resized to before the centre crop: (height, width), or the
            length of its shorter edge; None: to height and width.
        rescale: factor applied to the values 0 to 255; 1.0 for none.
        mean, std: for each channel, applied after `rescale`.
        flip_channels: whether the model wants BGR (the MobileViT processors' way).

    Raises:
        ValueError: a side is not from 1 to `LARGEST_SIDE`, the filter is unknown, or black and
            white become infinite, NaN, or nearly equal (`LARGEST_INPUT`, `LEAST_CONTRAST`): every
            picture would then get the same score.
    """

    height: int
    width: int
    resample: int = RESAMPLING["bilinear"]
    resize_to: tuple[int, int] | int | None = None
    rescale: float = 1 / 255
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    flip_channels: bool = False

    def __post_init__(self) -> None:
        target = self.resize_to if isinstance(self.resize_to, tuple) else (self.resize_to,)
        for side in (self.height, self.width, *target):
            if side is not None and not 1 <= side <= LARGEST_SIDE:
                raise ValueError(f"size {side!r} is not from 1 to {LARGEST_SIDE}")
        if self.resample not in RESAMPLING.values():
            raise ValueError(f"resample {self.resample!r} is none of {sorted(RESAMPLING.values())}")
        for mean, std in zip(self.mean, self.std, strict=True):
            if not SMALLEST_STD <= std <= 1 / SMALLEST_STD:  # `normalise` computes in float32
                raise ValueError(f"image_std {std!r} is not a number of a sane size above 0")
            black, white = -mean / std, (255 * self.rescale - mean) / std
            largest = max(1.0, abs(black), abs(white))
            # With NaN, wherever it comes from, the second comparison is false.
            if not (largest <= LARGEST_INPUT and white - black >= LEAST_CONTRAST * largest):
                raise ValueError(
                    f"rescale_factor {self.rescale!r}, image_mean {mean!r} and image_std {std!r} "
                    f"make {black:g} of black and {white:g} of white"
                )

    def resize(self, crop: Pixels) -> Pixels:
        """An RGB uint8 crop (h, w, 3) at the model's size (height, width, 3), channels in the
        model's order.

        Raises:
            ValueError: the crop is over `LONGEST` times as long as wide, or as wide as long, and
                is to be resized by its shorter edge: its longer one might take gigabytes.
        """
        from PIL import Image

        target = self.resize_to if self.resize_to is not None else (self.height, self.width)
        rows, columns = crop.shape[:2]
        if isinstance(target, int):
            # transformers' get_resize_output_image_size: the long edge is truncated, not rounded.
            short, long = min(rows, columns), max(rows, columns)
            if long > LONGEST * short:
                raise ValueError(f"{columns} x {rows} pixels are too long to resize by one edge")
            stretched = int(target * long / short)
            target = (target, stretched) if rows <= columns else (stretched, target)
        if target != (rows, columns):
            picture = Image.fromarray(np.ascontiguousarray(crop))
            resampled = picture.resize((target[1], target[0]), Image.Resampling(self.resample))
            crop = np.asarray(resampled)
        if target != (self.height, self.width):
            crop = _centre_crop(crop, self.height, self.width)
        if self.flip_channels:
            crop = crop[:, :, ::-1]
        return np.ascontiguousarray(crop)

    def normalise(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """float32 (n, 3, height, width) from RGB uint8 (n, height, width, 3)."""
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        scaled = pixels.astype(np.float32) * np.float32(self.rescale)
        normalised = (scaled - mean) / std
        return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2), dtype=np.float32)


def _centre_crop(image: Pixels, height: int, width: int) -> Pixels:
    """The middle of an image, padded with zeros where it is smaller (as transformers pads)."""
    rows, columns = image.shape[:2]
    if rows < height or columns < width:
        canvas = np.zeros((max(height, rows), max(width, columns), 3), np.uint8)
        top = -(-(canvas.shape[0] - rows) // 2)
        left = -(-(canvas.shape[1] - columns) // 2)
        canvas[top : top + rows, left : left + columns] = image
        image, rows, columns = canvas, canvas.shape[0], canvas.shape[1]
    top, left = (rows - height) // 2, (columns - width) // 2
    return image[top : top + height, left : left + width]


def load_preprocessor(folder: Path) -> Preprocessor:
    """Read ``preprocessor_config.json``.

    Raises:
        ModelError: the file is missing, unreadable, or asks for something that is not supported.
    """
    path = folder / PREPROCESSOR_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"{folder} has no {PREPROCESSOR_FILE}",
            "copy it from the model that this one was made from",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: {error}") from error
    try:
        return parse_preprocessor(config)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise ModelError(f"{path}: {error}") from error


def parse_preprocessor(config: dict[str, Any]) -> Preprocessor:
    """A `Preprocessor` from the JSON object.

    Raises:
        ValueError: something in it is not supported, or makes no sense; named in the message.
    """
    config = with_defaults(config)
    if not config.get("do_resize", True):
        raise ValueError("do_resize is false: crops of different sizes cannot form a batch")
    if config.get("do_pad"):
        raise ValueError("do_pad is not supported")
    (height, width), resize_to = read_sizes(config)
    normalise = config.get("do_normalize", True)
    rescale = float(config.get("rescale_factor", 1 / 255))
    return Preprocessor(
        height=height,
        width=width,
        resample=int(config.get("resample", RESAMPLING["bilinear"])),
        resize_to=None if resize_to == (height, width) else resize_to,
        rescale=rescale if config.get("do_rescale", True) else 1.0,
        mean=_triple(config.get("image_mean", 0.5)) if normalise else (0.0, 0.0, 0.0),
        std=_triple(config.get("image_std", 0.5)) if normalise else (1.0, 1.0, 1.0),
        flip_channels=bool(config.get("do_flip_channel_order", False)),
    )


def _triple(value: Any) -> tuple[float, float, float]:
    if isinstance(value, (int, float)):
        return (float(value),) * 3
    red, green, blue = (float(channel) for channel in value)
    return red, green, blue
