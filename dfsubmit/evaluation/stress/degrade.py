"""Degradations of media in practice: recompression, downscaling, noise, darkness.

In: an image or video file. Out: a file of the same name, degraded by one `Variant`. Needs PyAV
(FFmpeg and x264 in a wheel) and OpenCV.

Recompression with x264 processes every frame of a video, since frames depend on each other. Other
degradations act on single frames. They keep only the frames that a recipe samples, at their times
and encoded almost losslessly: the same frames are scored, at a fraction of the cost.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dfsubmit.errors import NotInstalled
from dfsubmit.files import write_atomically
from dfsubmit.media.limits import Limits
from dfsubmit.media.listing import sniff
from dfsubmit.records import Kind, Pixels

if TYPE_CHECKING:
    from dfsubmit.media.frames import Frame

# Blur is given for a picture of this width, as what a viewer sees scales with it.
_REFERENCE_WIDTH = 640
_TICKS = 90_000  # per second, as MPEG counts
_INVISIBLE_CRF = 4


@dataclass(frozen=True)
class Variant:
    """One degradation at one strength.

    Attributes:
        name: for tables and folders.
        kind: "x264", "scale", "jpeg", "blur", "noise" or "dark".
        strength: x264: constant rate factor; scale: factor down and up again; jpeg: quality 1 to
            95; blur: standard deviation in pixels of a picture 640 wide; noise: standard deviation
            in grey levels of 255; dark: factor on the grey levels.
    """

    name: str
    kind: str
    strength: float


_ALL = (
    # FaceForensics++ (Rössler et al. 2019) calls these two compressions HQ and LQ.
    Variant("c23", "x264", 23),
    Variant("c40", "x264", 40),
    Variant("half", "scale", 1 / 2),
    Variant("quarter", "scale", 1 / 4),
    Variant("jpeg70", "jpeg", 70),
    Variant("jpeg50", "jpeg", 50),
    Variant("jpeg30", "jpeg", 30),
    Variant("blur1", "blur", 1),
    Variant("blur2", "blur", 2),
    Variant("blur4", "blur", 4),
    Variant("noise5", "noise", 5),
    Variant("noise10", "noise", 10),
    Variant("noise20", "noise", 20),
    Variant("dark50", "dark", 0.5),
    Variant("dark25", "dark", 0.25),
)
VARIANTS = {variant.name: variant for variant in _ALL}


def degrade_file(source: Path, target: Path, variant: Variant, frames: int, seed: int = 0) -> None:
    """Write the degraded file, atomically. An image becomes a PNG or JPEG, a video an MP4,
    whatever the suffix says: what a file is, is told by its content.

    Args:
        source: a file that can be decoded.
        target: where to write.
        variant: what to do to it.
        frames: evenly spaced frames of a video to keep, where single frames suffice.
        seed: of the noise, together with the file's name.

    Raises:
        Unreadable, OSError: the source cannot be decoded.
        NotInstalled: PyAV is missing.
    """
    random = np.random.default_rng([seed, zlib.crc32(os.fsencode(source.name))])
    if sniff(source) is Kind.IMAGE:
        data = _degraded_image(source, variant, random)
    else:
        data = _degraded_video(source, variant, frames, random)
    write_atomically(target, data)


def degrade_pixels(pixels: Pixels, variant: Variant, random: np.random.Generator) -> Pixels:
    """One RGB uint8 frame (height, width, 3) under any kind but x264, at the same size."""
    from dfsubmit.libraries import load_cv2

    cv2 = load_cv2()
    height, width = pixels.shape[:2]
    if variant.kind == "scale":
        small = (
            max(1, round(width * variant.strength)),
            max(1, round(height * variant.strength)),
        )
        reduced = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
        changed = cv2.resize(reduced, (width, height), interpolation=cv2.INTER_CUBIC)
    elif variant.kind == "jpeg":
        changed = _decoded(_jpeg(pixels, int(variant.strength)))
    elif variant.kind == "blur":
        sigma = variant.strength * width / _REFERENCE_WIDTH
        changed = cv2.GaussianBlur(pixels, (0, 0), sigma)
    elif variant.kind == "noise":
        noise = random.normal(0, variant.strength, pixels.shape)
        changed = np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)
    elif variant.kind == "dark":
        changed = np.rint(pixels * variant.strength).astype(np.uint8)
    else:
        raise ValueError(f"{variant.kind!r} does not act on single frames")
    result: Pixels = changed
    return result


def _degraded_image(source: Path, variant: Variant, random: np.random.Generator) -> bytes:
    from PIL import Image

    from dfsubmit.media.images import read_image

    frame = read_image(source, Limits())
    if variant.kind == "jpeg":
        return _jpeg(frame.pixels, int(variant.strength))
    if variant.kind == "x264":
        pixels = _first_frame(_encode([frame], int(variant.strength), "yuv420p"))
    else:
        pixels = degrade_pixels(frame.pixels, variant, random)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _degraded_video(
    source: Path, variant: Variant, frames: int, random: np.random.Generator
) -> bytes:
    from dfsubmit.media.frames import Frame, Video
    from dfsubmit.media.sampling import sample_indices

    video = Video(source, Limits())
    count = video.count()
    if variant.kind == "x264":
        return _encode(video.decode(range(count)), int(variant.strength), "yuv420p")
    wanted = video.decode(sample_indices(count, frames))
    changed = (
        Frame(frame.index, frame.time, degrade_pixels(frame.pixels, variant, random))
        for frame in wanted
    )
    return _encode(changed, _INVISIBLE_CRF, "yuv444p")


def _encode(frames: Iterable[Frame], crf: int, pixel_format: str) -> bytes:
    """An MP4 of these frames, H.264 at a constant rate factor, each at its own time."""
    av = load_av()
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        track = None
        last = -1
        for frame in frames:
            pixels = _even(frame.pixels) if pixel_format == "yuv420p" else frame.pixels
            if track is None:
                track = container.add_stream("libx264", rate=25, options={"crf": str(crf)})
                track.height, track.width = pixels.shape[:2]
                track.pix_fmt = pixel_format
                track.thread_count = 1  # one process a core encodes already
                track.codec_context.time_base = Fraction(1, _TICKS)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            # Times that stand still or run backwards, as broken files have them, still order.
            last = max(last + 1, round(frame.time * _TICKS))
            picture.pts, picture.time_base = last, Fraction(1, _TICKS)
            container.mux(track.encode(picture))
        if track is None:
            raise OSError("no frame decodes")
        container.mux(track.encode(None))
    return stream.getvalue()


def _even(pixels: Pixels) -> Pixels:
    """Without the odd last row or column, which 4:2:0 video cannot have."""
    height, width = pixels.shape[:2]
    return pixels[: max(2, height // 2 * 2), : max(2, width // 2 * 2)]


def _first_frame(data: bytes) -> Pixels:
    av = load_av()
    with av.open(io.BytesIO(data)) as container:
        frames: Iterator[Any] = container.decode(video=0)
        pixels: Pixels = next(frames).to_ndarray(format="rgb24")
        return pixels


def _jpeg(pixels: Pixels, quality: int) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _decoded(data: bytes) -> Pixels:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def load_av() -> Any:
    """The module ``av``.

    Raises:
        NotInstalled: it is missing.
    """
    try:
        import av
    except ImportError as error:
        raise NotInstalled.extra("dfsubmit stress", "stress", "av") from error
    return av
