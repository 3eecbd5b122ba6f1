"""The records passed between the steps, in the order in which they are created.

`MediaFile` (a file of the data folder) → `Face` (one frame's largest face) → `FrameScores` (the
probabilities of one file's faces, for an aggregator) → `FileResult` (one row).

This module does not import torch, OpenCV or dlib, because plugins and the evaluation commands use
it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dfsubmit.labels import REAL

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]
"""RGB pixels, shape (height, width, 3), or (n, height, width, 3) for a batch; values 0 to 255."""

Features = npt.NDArray[np.float32]
"""The input of a model's last layer for each face, shape (n, width)."""

Box = tuple[int, int, int, int]
"""left, top, right, bottom in pixels of the upright frame."""


class Status(str, Enum):
    """The outcome of one file. Everything but `OK` counts as a failure."""

    OK = "ok"
    NO_FACE = "no_face"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    ERROR = "error"
    PENDING = "pending"


class Kind(str, Enum):
    """What a file's content is."""

    IMAGE = "image"
    VIDEO = "video"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class MediaFile:
    """One file of the data folder.

    Attributes:
        path: where it is.
        name: its name as `submission.csv` carries it (undecodable bytes as surrogate escapes).
        size: bytes; -1 when it cannot be examined.
        mtime_ns: modification time in nanoseconds; -1 when it cannot be examined.
    """

    path: Path
    name: str
    size: int = -1
    mtime_ns: int = -1


@dataclass(frozen=True)
class FoundFace:
    """One face found by a detector.

    Attributes:
        box: left, top, right, bottom in pixels of the image that was searched.
        score: the detector's confidence; higher is more confident, the scale depends on the
            detector.
        landmarks: (n, 2), x and y in pixels of that picture: n = 5 (the eyes, the tip of the nose,
            the corners of the mouth, each pair from left to right of the picture) or n = 68 (iBUG
            300-W's); None where the detector gives none.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: FloatArray | None = None


Detector = Callable[[Pixels, int], Sequence[FoundFace]]
"""``detector(picture, upsampling) -> faces``: faces of a picture, RGB uint8 (h, w, 3), the largest
one among them. It is to double the picture `upsampling` times before it searches, where doubling
means something to it."""


@dataclass(frozen=True)
class Face:
    """The chosen face of one frame.

    Attributes:
        index: the frame's number in its file, from 0.
        time: seconds from the start of the file (0.0 for an image).
        box: the detector's box in the upright frame's pixels.
        detection: the detector's confidence (dlib: distance from its decision border, > 0).
        crop: RGB uint8 (h, w, 3): the cropped face, or already at the model's input size.
        landmarks: (n, 2), x and y in pixels of the face as it was cut; None where the detector
            gives none.
    """

    index: int
    time: float
    box: Box
    detection: float
    crop: Pixels
    landmarks: FloatArray | None = None


@dataclass(frozen=True)
class FrameScores:
    """What an aggregator receives: the scored frames of one file, in order of time, at least one.

    Attributes:
        p_fake: float64 (n,), the probability of fake of each frame's face, in [0, 1].
        times: float64 (n,), seconds from the start of the file; all 0.0 for an image.
        boxes: int64 (n, 4), left, top, right, bottom of the face in frame pixels.
        detection: float64 (n,), the detector's confidence.
    """

    p_fake: FloatArray
    times: FloatArray
    boxes: IntArray
    detection: FloatArray

    def __len__(self) -> int:
        return len(self.p_fake)

    def take(self, rows: npt.ArrayLike) -> FrameScores:
        """The frames at the given positions (an integer index array or a boolean mask)."""
        index = np.asarray(rows)
        return FrameScores(
            self.p_fake[index], self.times[index], self.boxes[index], self.detection[index]
        )


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One scored frame as ``scores.jsonl`` keeps it."""

    index: int
    time: float
    box: Box
    detection: float
    p_fake: float


_FRAME = ("index", "time", "box", "detection", "p_fake")
_values = attrgetter(*_FRAME)  # dataclasses.asdict takes ten times as long


def frame_scores(frames: Sequence[FrameRecord]) -> FrameScores:
    """The frames, in order of time, as arrays."""
    return FrameScores(
        np.array([frame.p_fake for frame in frames], dtype=np.float64),
        np.array([frame.time for frame in frames], dtype=np.float64),
        np.array([frame.box for frame in frames], dtype=np.int64).reshape(-1, 4),
        np.array([frame.detection for frame in frames], dtype=np.float64),
    )


# The order of the keys in scores.jsonl.
_RESULT_KEYS = (
    "filename", "status", "label", "p_fake", "bounds", "kind", "frames_asked", "frames_decoded",
    "frames_with_face", "frames_skipped", "frames", "seconds", "error", "aggregator_fallback",
    "thinned", "frames_lost", "note",
)  # fmt: skip


@dataclass
class FileScan:
    """The outcome of a file's scan.

    Attributes:
        status: ok, no_face, unreadable, unsupported or error (and, from the pool, crashed or
            timeout).
        kind: what the file is.
        frames_asked, frames_decoded, frames_with_face: counts.
        frames_skipped: frames of the sample that an early exit did not visit.
        frames_lost: frames of a video that could not be decoded, followed by others.
        thinned: whether fewer frames than the recipe's number were requested.
        note: one line about damage of a file that could still be read; else empty.
        seconds: by stage, "decode" and "detect" (which includes cropping and resizing).
        error: one line that says what failed.
    """

    status: Status = Status.OK
    kind: Kind = Kind.OTHER
    frames_asked: int = 0
    frames_decoded: int = 0
    frames_with_face: int = 0
    frames_skipped: int = 0
    frames_lost: int = 0
    thinned: bool = False
    note: str = ""
    seconds: dict[str, float] = field(default_factory=lambda: {"decode": 0.0, "detect": 0.0})
    error: str = ""


@dataclass(kw_only=True)
class FileResult(FileScan):
    """The complete result of one file: one line of ``scores.jsonl``.

    The fields of its scan (`FileScan`), and in addition:

    Attributes:
        filename: the name in `submission.csv`.
        label: 0 real, 1 fake (the failure label when `status` is not ok).
        p_fake: the aggregated probability of fake in [0, 1]; None for a failure, and when an
            early exit left only `bounds`.
        bounds: (low, high) around p_fake after an early exit, else None.
        frames: the scored frames in order of time.
        seconds: by stage, "decode", "detect" and "classify".
        aggregator_fallback: the chosen aggregator failed here and the mean was used.
        features: float16 (width,), the mean of its frames' features where the run keeps them. They
            are no part of its line in ``scores.jsonl``.
        precision: of its frames' probabilities, in a run with precision "cascade"; else "".
        quick: the probabilities of its frames in the quick precision, if such a run scored some or
            all of them in both; else None.
        estimated: places in `frames` of those that were not scored in fp32, where others were.
            Their probabilities are estimated from `quick`.
    """

    filename: str
    status: Status = Status.PENDING
    label: int = REAL
    p_fake: float | None = None
    bounds: tuple[float, float] | None = None
    frames: list[FrameRecord] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    aggregator_fallback: bool = False
    features: npt.NDArray[np.float16] | None = field(default=None, compare=False, repr=False)
    precision: str = ""
    quick: list[float] | None = None
    estimated: list[int] = field(default_factory=list)

    def frame_scores(self) -> FrameScores:
        """The frames as arrays, in order of time."""
        return frame_scores(self.frames)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; `from_json` reads them back."""
        data = {key: getattr(self, key) for key in _RESULT_KEYS}
        data["status"], data["kind"] = self.status.value, self.kind.value
        data["frames"] = [dict(zip(_FRAME, _values(frame), strict=True)) for frame in self.frames]
        if self.precision:
            names = ("precision", "quick", "estimated")
            data |= {name: getattr(self, name) for name in names}
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> FileResult:
        """The inverse of `to_json`. Unknown keys are ignored, so newer files stay readable.

        Raises:
            KeyError, ValueError, TypeError, AttributeError, OverflowError: the data is not such
                an object.
        """
        known = {item.name for item in dataclasses.fields(cls)}
        values = {key: value for key, value in data.items() if key in known - {"features"}}
        values["filename"] = str(data["filename"])
        values["status"] = Status(data["status"])
        values["kind"] = Kind(data.get("kind", "other"))
        if values.get("bounds") is not None:
            low, high = values["bounds"]
            values["bounds"] = (float(low), float(high))
        if values.get("quick") is not None:
            values["quick"] = [float(p_fake) for p_fake in values["quick"]]
        values["estimated"] = [int(place) for place in values.get("estimated", [])]
        values["frames"] = [
            FrameRecord(
                int(frame["index"]),
                float(frame["time"]),
                tuple(int(edge) for edge in frame["box"]),  # type: ignore[arg-type]
                float(frame["detection"]),
                float(frame["p_fake"]),
            )
            for frame in data.get("frames", [])
        ]
        return cls(**values)
