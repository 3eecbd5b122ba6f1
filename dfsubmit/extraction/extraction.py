"""Sources → crops on disk, with the same decoding, detection and cropping as a run.

Crops are stored as lossless PNG at their original size, because a run's crops are not compressed
either before they go to the model. Finished files are recorded in a journal, and an interrupted
extraction resumes.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfsubmit.console import counted, first_few, progress_bar, warn
from dfsubmit.errors import DfsubmitError
from dfsubmit.extraction.groups import identity_groups
from dfsubmit.extraction.index import FaceRow, write_index
from dfsubmit.extraction.journal import (
    JOURNAL,
    CutFace,
    Entry,
    crop_path,
    missing_crops,
    note,
    resume,
)
from dfsubmit.extraction.landmarks import write_landmarks
from dfsubmit.extraction.merging import RECORD
from dfsubmit.extraction.sources import Source
from dfsubmit.faces.settings import DetectorPlugin, ScanSettings
from dfsubmit.files import write_atomically
from dfsubmit.hooks import CutJob, EncodedFace, Executor
from dfsubmit.hooks.loading import load_plugins
from dfsubmit.labels import LABELS
from dfsubmit.recipe import Recipe
from dfsubmit.records import MediaFile, Status
from dfsubmit.shards import Shard


@dataclass(frozen=True)
class ExtractOptions:
    """How to extract.

    Attributes:
        recipe: how faces are cut; saved with the crops, and with every model made from them.
        frames: the number of frames per video. Independent of the recipe's number, which is for
            inference and does not change how a face looks.
        already_cropped: the files are face crops, cut elsewhere as `recipe` describes; they are
            used whole.
        workers: processes that decode and detect; 0 means the CPUs available.
        per_file_timeout: the CPU time limit per file, in seconds.
        progress: show a progress bar on stderr.
        plugins_dir: folders of plugin files, for the recipe's detector.
        strict: a plugin that does not load is an error.
        executor: where the files are processed (see `RunOptions`).
        shard: the part of the files to cut, into a separate folder (`folder_of`); None for all.
    """

    recipe: Recipe
    frames: int = 30
    already_cropped: bool = False
    workers: int = 0
    per_file_timeout: float = 120.0
    progress: bool = True
    plugins_dir: tuple[str, ...] = ()
    strict: bool = False
    shard: Shard | None = None
    executor: str = "local"

    def folder_of(self, faces: Path) -> Path:
        """The folder of the crops: `faces`, or a shard's own folder beside it."""
        return faces if self.shard is None else self.shard.beside(faces, folder=True)


@dataclass(frozen=True)
class ExtractSummary:
    """The outcome of an extraction.

    Attributes:
        crops: number of crops by class name ("real", "fake").
        statuses: number of files by status.
        groups: number of identity groups.
        resumed: files that an earlier, interrupted extraction had finished.
        failures: (file, status, reason) of those that gave no crop.
    """

    crops: dict[str, int]
    statuses: dict[str, int]
    groups: int
    resumed: int
    failures: list[tuple[str, str, str]]


def extract(sources: Sequence[Source], folder: Path, options: ExtractOptions) -> ExtractSummary:
    """Cut the faces of the sources into a folder and write its index.

    Args:
        sources: all files of the data set, even for a shard, because the identity groups depend on
            all of them.
        folder: for the crops; see `ExtractOptions.folder_of`.
        options: the settings.

    Raises:
        UsageError: the folder has crops that were cut with other settings, or no plugin provides
            the recipe's detector.
        DfsubmitError: no face was found in any file.
    """
    plugins = load_plugins(options.plugins_dir, options.strict)
    detector = None if options.already_cropped else plugins.detector_plugin(options.recipe)
    executor = plugins.executor(options.executor)
    folder = options.folder_of(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shard = options.shard
    if shard is not None:
        record = shard.record(source.name for source in sources)
        write_atomically(folder / RECORD, json.dumps(record) + "\n")
    files = {
        source.name: _media_file(source)
        for source in sources
        if shard is None or shard.holds(source.name)
    }
    header = {
        "recipe": options.recipe.to_dict(),
        "frames": options.frames,
        "already_cropped": options.already_cropped,
    }
    done, lost = resume(folder / JOURNAL, header, files)
    if lost:
        gone = f"lines or crops of {counted(lost, 'file')} are damaged or gone"
        warn(f"{folder / JOURNAL}: {gone}: extracting them again")
    resumed = len(done)
    todo = [file for name, file in files.items() if name not in done]
    with (folder / JOURNAL).open("a+b", buffering=0) as journal:
        for entry in _scan(todo, folder, options, _settings(options, detector), executor):
            note(journal, entry)
            done[entry.name] = entry
    missing = missing_crops(folder, done.values())
    if missing:
        warn(f"{folder}: not in the index, for they are gone: {first_few(sorted(missing))}")
    rows = [row for row in _rows(sources, done) if row.crop not in missing]
    write_index(folder, rows, options.recipe)
    if not rows and shard is None:
        raise DfsubmitError(
            f"no face was found in any of {counted(len(sources), 'file')}",
            f"the reasons are in {folder / JOURNAL}",
        )
    return ExtractSummary(
        crops={name: sum(row.label == label for row in rows) for name, label in LABELS.items()},
        statuses=dict(collections.Counter(entry.status.value for entry in done.values())),
        groups=len({row.group for row in rows}),
        resumed=resumed,
        failures=[
            (entry.name, entry.status.value, entry.error)
            for entry in done.values()
            if entry.status is not Status.OK
        ],
    )


def _media_file(source: Source) -> MediaFile:
    try:
        facts = source.path.stat()
    except OSError:
        return MediaFile(source.path, source.name)  # the scan says what is wrong with it
    return MediaFile(source.path, source.name, facts.st_size, facts.st_mtime_ns)


def _settings(options: ExtractOptions, detector: DetectorPlugin | None) -> ScanSettings:
    recipe = dataclasses.replace(options.recipe, frames=options.frames)
    if options.already_cropped:
        recipe = dataclasses.replace(recipe, detector="none", tracking="none")
    return ScanSettings(recipe=recipe, resize=None, no_face="fail", detector=detector)


def _scan(
    todo: Sequence[MediaFile],
    folder: Path,
    options: ExtractOptions,
    settings: ScanSettings,
    executor: Executor,
) -> Iterator[Entry]:
    """Write the crops of every file as it is finished, and yield its journal entry."""
    if not todo:
        return
    job = CutJob(settings, options.workers, options.per_file_timeout, options.plugins_dir, warn)
    failed = 0

    def describe() -> tuple[None, str]:
        names = first_few(sorted(cutter.in_hand()), 2)
        return None, (f"{failed} failed, " if failed else "") + f"in hand: {names}"

    with (
        executor.cutter(job) as cutter,
        progress_bar(len(todo), "files", options.progress, describe=describe) as bar,
        contextlib.closing(cutter.cut(todo)) as cut,
    ):
        for file, scan, faces in cut:
            kept = tuple(
                CutFace(
                    face.frame,
                    face.time,
                    face.box,
                    _write_crop(folder, file.name, face),
                    write_landmarks(face.landmarks),
                )
                for face in faces
            )
            failed += scan.status is not Status.OK
            bar.update()
            yield Entry(file.name, file.size, file.mtime_ns, scan.status, scan.error, kept)


def _write_crop(folder: Path, name: str, face: EncodedFace) -> str:
    """Write one crop; returns its path relative to the folder."""
    crop = crop_path(name, face.frame)
    target = folder / crop
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(face.png)
    except OSError as error:
        raise DfsubmitError(f"{target}: {error.strerror or error}") from error
    return crop


def _rows(sources: Sequence[Source], done: dict[str, Entry]) -> list[FaceRow]:
    groups = identity_groups([source.identities for source in sources])
    return [
        FaceRow(
            crop=face.crop,
            label=source.label,
            method=source.method,
            dataset=source.dataset,
            compression=source.compression,
            video=source.name,
            group=group,
            identities=source.identities,
            split=source.split,
            frame=face.frame,
            time=face.time,
            box=face.box,
            landmarks=face.landmarks,
        )
        for source, group in zip(sources, groups, strict=True)
        if source.name in done
        for face in done[source.name].faces
    ]
