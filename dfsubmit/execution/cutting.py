"""Cuts and encodes the faces of many files on this machine, one file at a time."""

from __future__ import annotations

import collections
from collections.abc import Callable, Generator, Iterable
from types import TracebackType

from dfsubmit.errors import DfsubmitError
from dfsubmit.hooks.execution import CutFile, CutJob, EncodedFace
from dfsubmit.records import Face, MediaFile, Status
from dfsubmit.workers.events import FaceEvent, FileEvent
from dfsubmit.workers.pool import WorkerPool


class LocalCutter:
    """Cuts faces on this machine. `cut` may be called again after it has ended.

    Args:
        job: the settings of the extraction.
    """

    def __init__(self, job: CutJob) -> None:
        self._pool = WorkerPool(job.settings, job.workers, job.per_file_timeout)

    def __enter__(self) -> LocalCutter:
        self._pool.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.__exit__(kind, error, traceback)

    def in_hand(self) -> list[str]:
        """The names of the files in progress."""
        return self._pool.in_hand()

    def cut(
        self, files: Iterable[MediaFile], should_stop: Callable[[], bool] = lambda: False
    ) -> Generator[CutFile, None, None]:
        """Cut the faces of the files; yields each file as it is finished."""
        # By frame, since a file whose worker died is scanned once more from its first frame on.
        faces: dict[str, dict[int, EncodedFace]] = collections.defaultdict(dict)
        for event in self._pool.events(files):
            if should_stop():
                return
            if isinstance(event, FaceEvent):
                faces[event.file.name][event.face.index] = _encoded(event.file, event.face)
            elif isinstance(event, FileEvent):
                cut = faces.pop(event.file.name, {})
                # A file that failed part-way may have delivered faces: they are discarded.
                kept = sorted(cut) if event.scan.status is Status.OK else []
                yield event.file, event.scan, tuple(cut[frame] for frame in kept)


def _encoded(file: MediaFile, face: Face) -> EncodedFace:
    import cv2

    encoded, data = cv2.imencode(".png", face.crop[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not encoded:
        raise DfsubmitError(f"{file.name}, frame {face.index}: the crop could not be encoded")
    return EncodedFace(face.index, face.time, face.box, data.tobytes(), face.landmarks)
