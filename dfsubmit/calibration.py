"""A run's own first faces, for models that have to see some before they can score.

In: the files of a run. Out: a few faces of each of evenly chosen files, RGB uint8
(n, height, width, 3) at the model's input size. The same files give the same faces in the same
order, however many workers there are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dfsubmit.interfaces import FrameModel
from dfsubmit.records import MediaFile, Pixels
from dfsubmit.settings import ScanSettings
from dfsubmit.workers import FaceEvent, Visit, WorkerPool

FACES_OF_A_FILE = 4


def calibrate(
    model: FrameModel,
    files: Sequence[MediaFile],
    settings: ScanSettings,
    workers: int = 0,
    per_file_timeout: float = 120.0,
) -> None:
    """Call the model's ``calibrate`` with faces of these files, if it wants that.

    A model that does has an attribute ``calibration_images``, the number of faces that it would
    like; one without it, or with 0 in it, is left alone. Where no file has a face, nothing is
    called, and nothing will have to be scored.
    """
    wanted = getattr(model, "calibration_images", 0)
    if not wanted:
        return
    faces: list[Pixels] = []
    files = _spread(files)
    at_once = -(-wanted // FACES_OF_A_FILE)
    while files and len(faces) < wanted:
        files, part = files[at_once:], files[:at_once]
        faces += _faces(part, settings, workers, per_file_timeout)
    if faces:
        model.calibrate(np.stack(faces[:wanted]))  # type: ignore[attr-defined]


def _faces(
    files: Sequence[MediaFile], settings: ScanSettings, workers: int, per_file_timeout: float
) -> list[Pixels]:
    """Faces of all these files, in the order of the files and of their frames."""
    found: dict[tuple[str, int], Pixels] = {}
    with WorkerPool(settings, workers, per_file_timeout) as pool:
        for event in pool.events(files, lambda file: Visit(keep=FACES_OF_A_FILE)):
            if isinstance(event, FaceEvent):
                found[event.file.name, event.face.index] = event.face.crop
    position = {file.name: number for number, file in enumerate(files)}
    return [found[key] for key in sorted(found, key=lambda key: (position[key[0]], key[1]))]


def _spread(files: Sequence[MediaFile]) -> list[MediaFile]:
    """The files such that any beginning of the list is spread over all of it."""
    # Names tell what belongs together: a plain beginning might hold images alone, or one person.
    stride = max(1, round(len(files) * 0.382))  # the golden section's: no beginning is lopsided
    while stride > 1 and np.gcd(stride, len(files)) != 1:
        stride -= 1
    return [files[number * stride % len(files)] for number in range(len(files))]
