"""One image → its only frame, upright and in RGB: EXIF orientation applied.

In: an image file, intact or slightly damaged. Out: a `Frame`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dfsubmit.media.frames import Frame, Unreadable, check_size
from dfsubmit.media.limits import Limits
from dfsubmit.media.mending import LARGEST, mend
from dfsubmit.records import Pixels

# Pillow knows some 40 formats more; for one of them, EPS, it would run Ghostscript on the file.
_IMAGE_FORMATS = ["JPEG", "PNG", "BMP", "DIB", "WEBP", "TIFF", "GIF", "PPM"]
with contextlib.suppress(ImportError):  # before Pillow 11.3
    from PIL import AvifImagePlugin

    _IMAGE_FORMATS.append(AvifImagePlugin.AvifImageFile.format)
_STRIP_PIXELS = 2**18
_MENDED_PIXELS = 25_000_000  # several such pictures are in memory at once

MADE_UP = 0.05
"""The largest share of a picture that may be missing at its end."""


def read_image(path: Path, limits: Limits) -> Frame:
    """An image as its only frame.

    Greyscale, palette, RGBA and CMYK become RGB (transparency is dropped, not blended); 16-bit
    values are reduced to 8. A truncated JPEG is read if at most `MADE_UP` of its pixels are in the
    missing part; a PNG is read despite wrong checksums of chunks without pixels.

    Raises:
        Unreadable: it cannot be decoded, or is larger than the limits.
        OSError: it cannot be opened.
    """
    # Our own limit, below, names the file; Pillow's would only warn.
    Image.MAX_IMAGE_PIXELS = None
    with path.open("rb") as stream:
        try:
            return Frame(0, 0.0, _decode_image(stream, limits))
        except Unreadable:
            if os.fstat(stream.fileno()).st_size > LARGEST:
                raise
            stream.seek(0)
            mended = _mended(stream.read(), limits)
            if mended is None:
                raise
            return mended


def _mended(data: bytes, limits: Limits) -> Frame | None:
    """A damaged picture of which only a little is missing; None for any other."""
    limits = dataclasses.replace(limits, pixels=min(limits.pixels, _MENDED_PIXELS))
    versions, note = mend(data)
    try:
        pictures = [_decode_image(io.BytesIO(version), limits) for version in versions]
    except (Unreadable, OSError):
        return None
    if not pictures or np.any(pictures[0] != pictures[-1], axis=-1).mean() > MADE_UP:
        return None
    return Frame(0, 0.0, pictures[0], note)


def _decode_image(stream: BinaryIO, limits: Limits) -> Pixels:
    """The upright picture in RGB.

    Raises:
        Unreadable: it cannot be decoded, or is larger than the limits.
        OSError: it cannot be read.
    """
    try:
        with Image.open(stream, formats=_IMAGE_FORMATS) as picture:
            width, height = picture.size
            check_size(width, height, limits)
            ImageOps.exif_transpose(picture, in_place=True)
            return _to_rgb(picture)
    except UnidentifiedImageError as error:
        raise Unreadable("not an image that can be decoded") from error
    except (SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError) as error:
        # What Pillow's decoders raise on broken data, besides OSError.
        raise Unreadable(f"{type(error).__name__}: {error}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise Unreadable(str(error)) from error


def _to_rgb(picture: Image.Image) -> Pixels:
    """RGB uint8 of a Pillow image of any mode.

    By strips: whole, what lies between takes up to eight times the result's memory.
    """
    width, height = picture.size
    rows = max(1, _STRIP_PIXELS // max(1, width))
    strips = [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
    wide = picture.mode.startswith(("I", "F"))
    # 16-bit values occupy 0 to 65535, whatever their maximum: 257 maps them onto 0 to 255.
    most = np.max([np.max(picture.crop(strip)) for strip in strips]) if wide else 0
    pixels = np.empty((height, width, 3), np.uint8)
    for strip in strips:
        part, target = picture.crop(strip), pixels[strip[1] : strip[3]]
        if wide:
            values = np.asarray(part, dtype=np.float64)
            grey = np.clip(np.rint(values / 257 if most > 255 else values), 0, 255)
            target[:] = grey.astype(np.uint8)[..., np.newaxis]
        else:
            if part.mode == "P" and "transparency" in part.info:
                part = part.convert("RGBA")
            target[:] = np.asarray(part.convert("RGB"))
    return pixels
