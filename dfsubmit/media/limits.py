"""Resource limits for reading one file.

In: nothing. Out: `Limits`, which the readers of images and videos enforce.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Resource limits for one file. A file beyond them is unreadable, with the reason.

    Attributes:
        pixels: of an image, or of one frame of a video (default: 100 megapixels).
        frames: to decode of one video (default: 2 hours at 30 frames a second).
        held_bytes: of decoded frames kept for visiting out of order.
    """

    pixels: int = 100_000_000
    frames: int = 216_000
    held_bytes: int = 384 * 2**20
