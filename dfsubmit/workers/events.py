"""What the pool tells whoever reads it: faces, waits, retries and finished files."""

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
    """All frames granted to a file are visited and `left` are not: answer with
    `WorkerPool.grant`."""

    file: MediaFile
    left: int


@dataclass(frozen=True)
class RetryEvent:
    """A file is begun anew: the faces of it that came so far do not count."""

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
        keep: at most so many of the recipe's frames, evenly spread; None for all.
        granted: frames that may be visited before the pool is asked again (coarse to fine); None
            visits all of them, front to back.
        pictures: the folder that gets the file's pictures (`faces.pictures`); None takes none.
    """

    keep: int | None = None
    granted: int | None = None
    pictures: str | None = None
