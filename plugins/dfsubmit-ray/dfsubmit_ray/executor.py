"""The executor: compares the machines, starts the actors, and assigns the files in shares."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import zipfile
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

from dfsubmit.hooks import (
    CutFile,
    CutJob,
    FileResult,
    FileScan,
    InHand,
    MediaFile,
    ModelError,
    ModelFacts,
    Scored,
    ScoreJob,
    Status,
    UsageError,
    Waiting,
    find_model,
    load_recipe,
    picture_file,
)
from dfsubmit_ray import cluster
from dfsubmit_ray.actors import Actors, Wishes
from dfsubmit_ray.shares import work_off

SAMPLED = 100
_LOST = "its machine was lost each time it was processed"


class RayExecutor:
    """Several machines."""

    def __init__(self, wishes: Wishes) -> None:
        self.wishes = wishes

    def scorer(self, job: ScoreJob) -> RayScorer:
        """For one run."""
        return RayScorer(self.wishes, job)

    def cutter(self, job: CutJob) -> RayCutter:
        """For one extraction."""
        return RayCutter(self.wishes, job)


class RayScorer(Actors):
    """Scores the files of one run on several machines."""

    disk_answers = True

    def __init__(self, wishes: Wishes, job: ScoreJob) -> None:
        super().__init__(wishes, job.say)
        self.job = job
        self.waiting = Waiting()
        self._model = _found(job.options.model)
        if self._model.is_file():
            raise UsageError(f"{self._model} is a file: with executor ray, give a model folder")

    def load(self) -> ModelFacts:
        """Connect, check, and load the model on every machine."""
        return self.job.guard(self._load)()  # type: ignore[no-any-return]

    def _load(self) -> ModelFacts:
        options = self.job.options
        recipe = options.recipe
        if isinstance(recipe, (str, Path)):
            recipe = load_recipe(recipe)  # its file may be on this machine only
        theirs = dataclasses.replace(
            options,
            model=self._model,
            recipe=recipe,
            data=Path(options.data).absolute(),
            output=Path(options.output).absolute(),
            fallback=None if options.fallback is None else _found(options.fallback),
            calibration=options.calibration and Path(options.calibration).absolute(),
            plugins_dir=tuple(os.path.abspath(path) for path in options.plugins_dir),
            shard=None,
            executor="local",
            time_limit=None,
            progress=False,
        )
        model = _zipped(self._model) if "model" in self.wishes.ship else None
        self.start(ScoreJob(theirs, self.job.files), model)
        found: list[ModelFacts] = self.ask("load")
        keys = ("sha256", "precision", "loader", "recipe", "fake_index")
        alike = [{key: getattr(facts, key) for key in keys} for facts in found]
        cluster.check_facts([member.node for member in self.members], alike)
        return found[0]

    def prepare(self, files: Sequence[MediaFile]) -> ModelFacts:
        """Check that every machine has these files, and show some to a model that needs them."""
        return self.job.guard(self._prepare)(files)  # type: ignore[no-any-return]

    def _prepare(self, files: Sequence[MediaFile]) -> ModelFacts:
        options = self.job.options
        if "media" not in self.wishes.ship:
            step = max(1, len(files) // SAMPLED)
            sample = [(str(f.path.absolute()), f.size, f.mtime_ns) for f in files[::step]]
            nodes = list({member.node.key: member.node for member in self.members}.values())
            folder = os.path.abspath(options.data)
            cluster.check_data(nodes, sample, folder, len(files), options.recursive)
        # Only int8 models are calibrated on the run's own faces.
        shown = [_absolute(file) for file in files] if options.precision == "int8" else []
        found: list[ModelFacts] = self.ask("prepare", shown)
        return found[0]

    def score(
        self,
        files: Iterable[MediaFile],
        keep: Callable[[MediaFile], int | None],
        should_stop: Callable[[], bool],
    ) -> Scored:
        """Assign the files in shares; yields each with its result when its share is finished."""

        def hand(file: MediaFile) -> tuple[MediaFile, int | None, bytes | None]:
            return _absolute(file), keep(file), self.data_of(file)

        done = work_off(self.members, files, "score", hand, should_stop, self.say, self.names)
        for file, scored in done:
            if scored is None:
                yield file, FileResult(filename=file.name, status=Status.CRASHED, error=_LOST)
            else:
                _, result, pictures = scored
                self._save(file, pictures)
                yield file, result

    def _save(self, file: MediaFile, pictures: bytes | None) -> None:
        """Write a file's pictures where a local run writes them."""
        folder = self.job.options.pictures
        if folder is None or pictures is None:
            return
        with contextlib.suppress(OSError):  # missing in the report, as in a local run
            os.makedirs(folder, exist_ok=True)
            picture_file(folder, file.name).write_bytes(pictures)

    def progress(self) -> InHand:
        """The files in progress, and the throughput of each machine."""
        at_work = [member for member in self.members if not member.gone]
        speeds = " + ".join(f"{member.per_minute:.0f}" for member in at_work[:8])
        words = f"{len(at_work)} machines: {speeds} files/min" if at_work else ""
        return InHand(files=dict.fromkeys(list(self.names), 0), words=words)

    def report(self) -> dict[str, Any]:
        """What each actor did, for the metadata."""
        return {"machines": [member.report() for member in self.members]}


class RayCutter(Actors):
    """Cuts the faces of one extraction on several machines."""

    def __init__(self, wishes: Wishes, job: CutJob) -> None:
        super().__init__(wishes, job.say)
        self.job = job

    def __enter__(self) -> RayCutter:
        folders = tuple(os.path.abspath(path) for path in self.job.plugins_dir)
        self.start(dataclasses.replace(self.job, plugins_dir=folders, say=_nobody), None)
        return self

    def in_hand(self) -> list[str]:
        """The names of the files in progress."""
        return list(self.names)

    def cut(
        self, files: Iterable[MediaFile], should_stop: Callable[[], bool] = lambda: False
    ) -> Generator[CutFile, None, None]:
        """Assign the files in shares; yields each with its faces when its share is finished."""

        def hand(file: MediaFile) -> tuple[MediaFile, int | None, bytes | None]:
            return _absolute(file), None, self.data_of(file)

        for file, cut in work_off(
            self.members, files, "cut", hand, should_stop, self.say, self.names
        ):
            if cut is None:
                yield file, FileScan(status=Status.CRASHED, error=_LOST), ()
            else:
                yield file, cut[1], cut[2]


def _found(model: str | Path) -> Path:
    """The absolute path of a model, given by path or by name."""
    try:
        return find_model(model)
    except ModelError:
        return Path(model).absolute()  # each machine uses the fallback, or reports the error


def _absolute(file: MediaFile) -> MediaFile:
    return dataclasses.replace(file, path=file.path.absolute())


def _nobody(line: str) -> None:
    """Ignores a line: the machines' messages come with their results."""


def _zipped(folder: Path) -> bytes:
    """A model folder as a zip.

    Raises:
        UsageError: it is not a folder.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is not a model folder", "with ship=model, it is sent from this machine"
        )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:  # weights do not compress
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, Path(folder.name) / path.relative_to(folder))
    return stream.getvalue()
