"""The actor: one machine (or GPU) with the model loaded, and dfsubmit's local executor.

Every method gives its answer, or a `Failure` for an expected error. Whatever else happens to the
process is the driver's to see: Ray restarts it, and the next call loads the model again.
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
)

Method = TypeVar("Method", bound=Callable[..., Any])
Handed = list[tuple[MediaFile, int | None, bytes | None]]
"""Files with the number of frames to visit, and their bytes where those are shipped."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """An expected error, as plain data."""

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
    """One machine.

    Args:
        job: what to score (`ScoreJob`, with no callables of the driver's) or to cut.
        model: the model folder, zipped with its name, where it is shipped.
    """

    def __init__(self, job: ScoreJob | CutJob, model: bytes | None = None) -> None:
        self._job = job
        self._model = model
        self._scratch = Path(tempfile.mkdtemp(prefix="dfsubmit-ray-"))
        self._open: Any = None
        self._facts: ModelFacts | None = None

    def ready(self) -> None:
        """Answers when the process is there."""

    @_told
    def load(self) -> ModelFacts:
        """Load the model, where it is not yet: a restarted process has none."""
        if self._facts is None:
            job = self._job
            assert isinstance(job, ScoreJob)
            if self._model is not None:
                options = dataclasses.replace(job.options, model=self._unpacked(self._model))
                job = dataclasses.replace(job, options=options)
            self._open = local_executor().scorer(job)
            self._open.__enter__()
            self._facts = self._open.load()
        return self._facts

    @_told
    def prepare(self, files: list[MediaFile]) -> ModelFacts:
        """See `Scorer.prepare`."""
        self._raised(self.load())
        facts: ModelFacts = self._open.prepare(files)
        return facts

    @_told
    def score(self, handed: Handed) -> list[FileResult]:
        """Score a share."""
        self._raised(self.load())
        frames = {file.name: keep for file, keep, _ in handed}
        with _Media(self._scratch, handed) as files:
            return [
                result
                for _, result in self._open.score(
                    files, lambda file: frames[file.name], lambda: False
                )
            ]

    @_told
    def cut(self, handed: Handed) -> list[CutFile]:
        """Cut the faces of a share."""
        if self._open is None:
            assert isinstance(self._job, CutJob)
            self._open = local_executor().cutter(self._job)
            self._open.__enter__()
        with _Media(self._scratch, handed) as files:
            return list(self._open.cut(files))

    def close(self) -> None:
        """End the workers and remove what was shipped."""
        if self._open is not None:
            self._open.__exit__(None, None, None)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _unpacked(self, data: bytes) -> Path:
        folder = self._scratch / "model"
        with zipfile.ZipFile(io.BytesIO(data)) as archive:  # the driver's own, made just now
            archive.extractall(folder)
        (model,) = folder.iterdir()
        return model

    @staticmethod
    def _raised(answer: ModelFacts | Failure) -> None:
        if isinstance(answer, Failure):
            raise DfsubmitError(answer.message, answer.hint, answer.exit_code)


class _Media:
    """The files of a share on this machine's disk: where they are, or written there for a while."""

    def __init__(self, scratch: Path, handed: Handed) -> None:
        self._handed = handed
        self._folder = Path(tempfile.mkdtemp(dir=scratch))

    def __enter__(self) -> list[MediaFile]:
        files = []
        for number, (file, _, data) in enumerate(self._handed):
            if data is not None:
                # The suffix may say what the file is; nothing else of its name is taken.
                path = self._folder / f"{number}{os.path.splitext(file.name)[1]}"
                path.write_bytes(data)
                if file.mtime_ns >= 0:  # a scan looks whether its file has changed meanwhile
                    os.utime(path, ns=(file.mtime_ns, file.mtime_ns))
                file = dataclasses.replace(file, path=path)
            files.append(file)
        return files

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
