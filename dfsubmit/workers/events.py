"""The events of the worker pool: faces, waits, retries and finished files."""

from __future__ import annotations

from dataclasses import dataclass

from dfsubmit.records import Face, FileScan, MediaFile


@dataclass(frozen=True)
class FaceEvent:
    """A face of a file."""

    file: MediaFile
    face: Face


@dataclass(frozen=True)
class WaitEvent:
    """All frames granted to a file are visited, and `left` frames remain; to be answered with
    `WorkerPool.grant`."""

    file: MediaFile
    left: int


@dataclass(frozen=True)
class RetryEvent:
    """A file is scanned again: discard its faces so far."""

    file: MediaFile


@dataclass(frozen=True)
class FileEvent:
    """A file is finished; no more faces of it will come."""

    file: MediaFile
    scan: FileScan


Event = FaceEvent | WaitEvent | RetryEvent | FileEvent


@dataclass(frozen=True)
class Visit:
    """How much of a file to visit.

    Attributes:
        keep: the maximum number of the recipe's frames, evenly spread; None for all.
        granted: the number of frames to visit before the worker asks for more (coarse to fine);
            None visits all frames in order.
        pictures: the folder for the file's pictures (`faces.pictures`); None takes none.
    """

    keep: int | None = None
    granted: int | None = None
    pictures: str | None = None
