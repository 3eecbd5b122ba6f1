"""A run's own first faces, for models that have to see some before they can score.

In: the files of a run. Out: a few faces of each of evenly chosen files, RGB uint8
(n, height, width, 3) at the model's input size. The same files give the same faces in the same
order, however many workers there are.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence

import numpy as np

from dfsubmit._version import __version__
from dfsubmit.hooks import FrameModel, NeedsFaces, RecallsFaces, Warns
from dfsubmit.records import MediaFile, Pixels
from dfsubmit.workers.events import FaceEvent, Visit
from dfsubmit.workers.pool import WorkerPool

FACES_OF_A_FILE = 4


def show_faces(model: FrameModel, files: Sequence[MediaFile], pool: WorkerPool) -> list[str]:
    """Let a model that `NeedsFaces` see faces of these files.

    Any other one, and one that wants 0 of them, is left alone. So are the files where the model
    can `recall` what it once made of them. Where no file has a face, `see` is not called, and
    nothing will have to be scored.

    Args:
        model: loaded.
        files: all files of the run.
        pool: with its settings; it is free again afterwards.

    Returns:
        What the user should know of the model, a line each.
    """
    if isinstance(model, NeedsFaces) and model.faces_wanted:
        recalled = isinstance(model, RecallsFaces) and model.recall(faces_key(files, pool))
        faces = [] if recalled else _first_faces(model.faces_wanted, files, pool)
        if faces:
            model.see(np.stack(faces))
    return list(model.warnings) if isinstance(model, Warns) else []


def _first_faces(wanted: int, files: Sequence[MediaFile], pool: WorkerPool) -> list[Pixels]:
    """So many faces, or all where there are fewer."""
    faces: list[Pixels] = []
    left = _spread(files)
    at_once = -(-wanted // FACES_OF_A_FILE)
    while left and len(faces) < wanted:
        left, part = left[at_once:], left[:at_once]
        faces += _faces(part, pool)
    return faces[:wanted]


def faces_key(files: Sequence[MediaFile], pool: WorkerPool) -> str:
    """SHA-256, in hexadecimal, of all that decides which faces `show_faces` shows: the files, known
    by name, size and time of modification, and how faces are found and cut in them."""
    identities = [(file.name, file.size, file.mtime_ns) for file in files]
    assert pool.settings is not None
    how = dataclasses.asdict(pool.settings)
    text = json.dumps([__version__, FACES_OF_A_FILE, how, identities], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _faces(files: Sequence[MediaFile], pool: WorkerPool) -> list[Pixels]:
    """Faces of all these files, in the order of the files and of their frames."""
    found: dict[tuple[str, int], Pixels] = {}
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
