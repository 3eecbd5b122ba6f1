"""Pictures for a run without them: its files are scanned again, with the same code.

In: files of a run, the folder that they lie in, and the run's metadata. Out: pictures in a folder,
as `faces.pictures` writes them in the workers of a run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dfsubmit.console import progress_bar
from dfsubmit.errors import UsageError
from dfsubmit.faces.preprocess import Preprocessor, load_preprocessor
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.hooks.loading import Plugins
from dfsubmit.media.listing import list_media
from dfsubmit.models.folder import open_model
from dfsubmit.recipe import Recipe
from dfsubmit.records import Face, MediaFile
from dfsubmit.report.content import Entry
from dfsubmit.workers.events import FaceEvent, FileEvent, Visit
from dfsubmit.workers.pool import WorkerPool

FULL, KEEP = 60, 3
"""Files that matter, which are scanned whole, and the frames of each other file."""


def scan_settings(
    meta: Mapping[str, Any], model: str | Path | None, plugins: Plugins
) -> ScanSettings:
    """How the run scanned.

    Args:
        meta: of the run.
        model: a model folder that says how crops become the model's input; None takes what the
            metadata say. Where they say nothing, crops stay as they were cut.
        plugins: the recipe's detector may be one's.

    Raises:
        UsageError: the metadata are missing or do not hold a recipe.
        ModelError: the model folder cannot be read.
    """
    if "recipe" not in meta:
        raise UsageError(
            "there are no metadata beside the scores, which say how faces were found",
            "keep the .meta.json that 'dfsubmit run' writes together with the .scores.jsonl",
        )
    recipe = Recipe.from_dict(meta["recipe"])
    resize = None
    if model is not None:
        resize = load_preprocessor(open_model(model).path)
    elif "input" in meta:
        resize = _preprocessor(meta["input"])
    no_face = str(meta.get("no_face", "fail"))
    return ScanSettings(recipe, resize, no_face, detector=plugins.detector_plugin(recipe))


def _preprocessor(told: Mapping[str, Any]) -> Preprocessor:
    known = {item.name for item in dataclasses.fields(Preprocessor)}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in told.items()
        if key in known
    }
    try:
        return Preprocessor(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the metadata's input is not one: {error}") from error


def find_files(entries: Sequence[Entry], data: Path) -> dict[int, MediaFile]:
    """The files of a data folder by the entries' numbers; those that are gone are left out.

    Raises:
        UsageError: the folder cannot be read, or holds none of them.
    """
    below = any("/" in entry.result.filename for entry in entries)
    there = {file.name: file for file in list_media(data, below)}
    found = {
        entry.number: there[entry.result.filename]
        for entry in entries
        if entry.result.filename in there
    }
    if entries and not found:
        raise UsageError(
            f"{data} holds none of the run's files", "give the folder that the run scored"
        )
    return found


def take_pictures(
    entries: Sequence[Entry],
    files: Mapping[int, MediaFile],
    settings: ScanSettings,
    folder: Path,
    progress: bool,
) -> None:
    """Scan files again, for pictures: of the files that matter all of the run's frames, of the
    others `KEEP`.

    Args:
        entries: the files.
        files: where they are, by number.
        settings: of the run.
        folder: gets the pictures.
        progress: show a progress bar on stderr.

    Raises:
        DfsubmitError: workers cannot start on this machine.
    """
    order = sorted((e for e in entries if e.number in files), key=lambda entry: entry.matters)
    keep: dict[str, int | None] = {}
    for place, entry in enumerate(order):
        asked = entry.result.frames_asked if entry.result.thinned else None
        keep[entry.result.filename] = asked if place < FULL else KEEP

    def visit(file: MediaFile) -> Visit:
        return Visit(keep[file.name], None, str(folder))

    with WorkerPool(settings) as pool, progress_bar(len(order), "files", progress) as bar:
        for event in pool.events((files[entry.number] for entry in order), visit):
            if isinstance(event, FileEvent):
                bar.update()


def take_crops(
    files: Mapping[int, MediaFile], settings: ScanSettings, progress: bool
) -> dict[int, list[Face]]:
    """`KEEP` faces of each file, as the model is given them, by the file's number.

    Raises:
        DfsubmitError: workers cannot start on this machine.
    """
    numbers = {file.name: number for number, file in files.items()}
    faces: dict[int, list[Face]] = {number: [] for number in files}
    with WorkerPool(settings) as pool, progress_bar(len(files), "files", progress) as bar:
        for event in pool.events(files.values(), lambda file: Visit(keep=KEEP)):
            if isinstance(event, FaceEvent):
                faces[numbers[event.file.name]].append(event.face)
            elif isinstance(event, FileEvent):
                bar.update()
    return {number: sorted(found, key=lambda face: face.index) for number, found in faces.items()}
