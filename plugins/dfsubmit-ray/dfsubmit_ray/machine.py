"""The actor: a process on a machine (or for a GPU) with the loaded model and the local executor.

Every method returns its result, or a `Failure` for an expected error. If the process ends, Ray
restarts it, and the next call loads the model again.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from dfsubmit.hooks import (
    CutFile,
    CutJob,
    DfsubmitError,
    FileResult,
    MediaFile,
    ModelFacts,
    ScoreJob,
    local_executor,
    picture_file,
)
from dfsubmit_ray.scratch import Scratch

Method = TypeVar("Method", bound=Callable[..., Any])
Handed = list[tuple[MediaFile, int | None, bytes | None]]
"""Files with the number of frames to visit (None for all), and their bytes if they are sent."""
ScoredFile = tuple[MediaFile, FileResult, "bytes | None"]
"""A file with its result, and the content of its file of pictures (None without ``--report``)."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """An expected error (a `DfsubmitError`), as plain data."""

    message: str
    hint: str
    exit_code: int


def _told(method: Method) -> Method:
    @functools.wraps(method)
    def told(self: Machine, *arguments: Any) -> Any:
        try:
            return method(self, *arguments)
        except DfsubmitError as error:
            return Failure(error.message, error.hint, int(error.exit_code))

    return told  # type: ignore[return-value]


class Machine:
    """The actor's class.

    Args:
        job: what to score (a `ScoreJob` without the driver's callables) or to cut.
        model: the model folder as a zip, if it is sent; None if it is on the machine's disk.
    """

    def __init__(self, job: ScoreJob | CutJob, model: bytes | None = None) -> None:
        self._job = job
        self._model = model
        self._scratch = Scratch()
        self._open: Any = None
        self._facts: ModelFacts | None = None
        self._pictures: str | None = None

    def ready(self) -> None:
        """Returns when the process runs."""

    @_told
    def load(self) -> ModelFacts:
        """Load the model, unless it is loaded: a restarted process has none."""
        if self._facts is None:
            job = self._job
            assert isinstance(job, ScoreJob)
            # Pictures for the report are written here, and sent to the driver with the results.
            options = dataclasses.replace(job.options, output=self._scratch.path / "run.csv")
            unpacked = None
            if self._model is not None:
                unpacked = self._unpacked(self._model)
                options = dataclasses.replace(options, model=unpacked)
            self._pictures = options.pictures
            self._open = local_executor().scorer(dataclasses.replace(job, options=options))
            self._open.__enter__()
            facts = self._open.load()
            if unpacked is not None and facts.folder.is_relative_to(unpacked):
                # The driver knows the model by the path on its own disk.
                folder = Path(job.options.model) / facts.folder.relative_to(unpacked)
                facts = dataclasses.replace(facts, folder=folder)
            self._facts = facts
        return self._facts

    @_told
    def prepare(self, files: list[MediaFile]) -> ModelFacts:
        """See `Scorer.prepare`."""
        self._raised(self.load())
        facts: ModelFacts = self._open.prepare(files)
        return facts

    @_told
    def score(self, handed: Handed) -> list[ScoredFile]:
        """Score a share."""
        self._raised(self.load())
        frames = {file.name: keep for file, keep, _ in handed}
        with _Media(self._scratch.path, handed) as files:
            scored = self._open.score(files, lambda file: frames[file.name], lambda: False)
            return [(file, result, self._taken(file.name)) for file, result in scored]

    @_told
    def cut(self, handed: Handed) -> list[CutFile]:
        """Cut the faces of a share."""
        if self._open is None:
            assert isinstance(self._job, CutJob)
            self._open = local_executor().cutter(self._job)
            self._open.__enter__()
        with _Media(self._scratch.path, handed) as files:
            return list(self._open.cut(files))

    def close(self) -> None:
        """End the workers and remove the temporary folder."""
        if self._open is not None:
            self._open.__exit__(None, None, None)
        self._scratch.remove()

    def _taken(self, name: str) -> bytes | None:
        """A file's pictures, which are removed from this machine."""
        if self._pictures is None:
            return None
        path = picture_file(self._pictures, name)
        try:
            return path.read_bytes()
        except OSError:
            return None  # missing in the report, as on one machine
        finally:
            path.unlink(missing_ok=True)

    def _unpacked(self, data: bytes) -> Path:
        folder = self._scratch.path / "model"
        with zipfile.ZipFile(io.BytesIO(data)) as archive:  # made by the driver
            archive.extractall(folder)
        (model,) = folder.iterdir()
        return model

    @staticmethod
    def _raised(answer: ModelFacts | Failure) -> None:
        if isinstance(answer, Failure):
            raise DfsubmitError(answer.message, answer.hint, answer.exit_code)


class _Media:
    """The files of a share on this machine's disk: where they are, or in a temporary folder if
    their bytes were sent."""

    def __init__(self, scratch: Path, handed: Handed) -> None:
        self._handed = handed
        self._folder = Path(tempfile.mkdtemp(dir=scratch))

    def __enter__(self) -> list[MediaFile]:
        files = []
        for number, (file, _, data) in enumerate(self._handed):
            if data is not None:
                # The suffix may tell the format; the rest of the name may not be usable as a path.
                path = self._folder / f"{number}{os.path.splitext(file.name)[1]}"
                path.write_bytes(data)
                if file.mtime_ns >= 0:  # the scan checks whether its file has changed
                    os.utime(path, ns=(file.mtime_ns, file.mtime_ns))
                file = dataclasses.replace(file, path=path)
            files.append(file)
        return files

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
