"""Faces from a run's own files, for models that need some before they can score.

In: the files of a run. Out: a few faces from each of evenly chosen files, RGB uint8
(n, height, width, 3) at the model's input size. The same files give the same faces in the same
order, whatever the number of workers.
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
    """Show faces from these files to a model that `NeedsFaces`.

    Does nothing for other models, and if `faces_wanted` is 0. The files are not read if the model
    can `recall` its earlier result for them. If no file has a face, `see` is not called; then there
    is nothing to score.

    Args:
        model: loaded.
        files: all files of the run.
        pool: with its settings; it can be used again afterwards.

    Returns:
        Warnings about the model, one line each.
    """
    if isinstance(model, NeedsFaces) and model.faces_wanted:
        recalled = isinstance(model, RecallsFaces) and model.recall(faces_key(files, pool))
        faces = [] if recalled else _first_faces(model.faces_wanted, files, pool)
        if faces:
            model.see(np.stack(faces))
    return list(model.warnings) if isinstance(model, Warns) else []


def _first_faces(wanted: int, files: Sequence[MediaFile], pool: WorkerPool) -> list[Pixels]:
    """The number of faces wanted, or all if there are fewer."""
    faces: list[Pixels] = []
    left = _spread(files)
    at_once = -(-wanted // FACES_OF_A_FILE)
    while left and len(faces) < wanted:
        left, part = left[at_once:], left[:at_once]
        faces += _faces(part, pool)
    return faces[:wanted]


def faces_key(files: Sequence[MediaFile], pool: WorkerPool) -> str:
    """SHA-256, in hexadecimal, of everything that determines the faces in `show_faces`: the name,
    size and modification time of the files, and how faces are detected and cut."""
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
    """The files in an order in which every prefix is spread over the whole list."""
    # Similar names belong together: the first files may be only images, or only one person.
    stride = max(1, round(len(files) * 0.382))  # the golden ratio keeps every prefix evenly spread
    while stride > 1 and np.gcd(stride, len(files)) != 1:
        stride -= 1
    return [files[number * stride % len(files)] for number in range(len(files))]
