"""What the pool and its workers tell each other about scanning: settings, and how a file went.

Apart from `scan.py` so that the parent process need not import OpenCV and dlib.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dfsubmit.preprocess import Preprocessor
from dfsubmit.recipe import Recipe
from dfsubmit.records import Kind, Status


@dataclass(frozen=True)
class Limits:
    """What one file may ask of this machine. Beyond it the file is unreadable, with the reason.

    Attributes:
        pixels: of an image, or of one frame of a video (default: 100 megapixels).
        frames: to decode of one video (default: 2 hours at 30 frames a second).
        held_bytes: of decoded frames kept for visiting out of order.
    """

    pixels: int = 100_000_000
    frames: int = 216_000
    held_bytes: int = 384 * 2**20


@dataclass(frozen=True)
class ScanSettings:
    """What holds for every file of a run.

    Attributes:
        recipe: frames, detection and crop.
        resize: resizes crops to the model's input; None leaves them as they were cut.
        no_face: "whole-frame" takes the whole frames of a file in which no face was found;
            "fail" gives it the status no_face.
        limits: what one file may ask of this machine.
    """

    recipe: Recipe
    resize: Preprocessor | None = None
    no_face: str = "fail"
    limits: Limits = field(default_factory=Limits)


@dataclass
class FileScan:
    """How a file's scan went.

    Attributes:
        status: ok, no_face, unreadable, unsupported or error (and, from the pool, crashed or
            timeout).
        kind: what the file is.
        frames_asked, frames_decoded, frames_with_face: counts.
        frames_skipped: frames of the sample that an early exit did not visit.
        thinned: fewer frames than the recipe asks were to be visited.
        seconds: by stage, "decode" and "detect" (which includes cropping and resizing).
        error: one line that says what failed.
    """

    status: Status = Status.OK
    kind: Kind = Kind.OTHER
    frames_asked: int = 0
    frames_decoded: int = 0
    frames_with_face: int = 0
    frames_skipped: int = 0
    thinned: bool = False
    seconds: dict[str, float] = field(default_factory=lambda: {"decode": 0.0, "detect": 0.0})
    error: str = ""
