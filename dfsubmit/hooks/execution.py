"""The executor interface: where a run scores its files, and where an extraction cuts its faces.

An executor takes files and yields results as they are finished. The run does the rest: listing,
labels, journal, CSV and time limit. The built-in executor ``local`` uses this machine
(`dfsubmit.execution.local`); ``plugins/dfsubmit-ray`` has one for several machines.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from dfsubmit.faces.settings import ScanSettings
from dfsubmit.options import RunOptions
from dfsubmit.recipe import Recipe
from dfsubmit.records import Box, FileResult, FileScan, FloatArray, MediaFile

if TYPE_CHECKING:
    from dfsubmit.hooks.loading import Plugins


@dataclass
class Waiting:
    """How long the model and the workers waited for each other, in seconds.

    Attributes:
        load: until the model was loaded (and, for int8, calibrated).
        model: the model waited for faces to classify.
        workers: the workers waited because the queue was full.
        classify: the model classified faces.
    """

    load: float = 0.0
    model: float = 0.0
    workers: float = 0.0
    classify: float = 0.0


@dataclass(frozen=True)
class InHand:
    """The current state of an executor, for the progress bar.

    Attributes:
        frames: the number of frames with a face so far, over all files.
        files: the names of the files in progress, each with its number of frames so far.
        words: further text to show; "" for none.
    """

    frames: int = 0
    files: Mapping[str, int] = field(default_factory=dict)
    words: str = ""


@dataclass
class ModelFacts:
    """What a run needs to know about its model, wherever it is loaded. Plain, picklable data.

    Attributes:
        name, folder, sha256, untrained, recipe_known: of the model's folder.
        id2label: its class names by index.
        fake_index: which of them is fake.
        loader, loader_plugin: what loaded it.
        recipe: the recipe that the run uses.
        batch_size: faces per forward pass.
        device, precision, arithmetic: where and how it computes.
        input: how a crop becomes its input, for the metadata.
        feature_width: the length of a face's feature vector; 0 if the model gives no features.
        fallback_reason: why the model that was asked for was not used; empty when it was.
        warnings: warnings for the user, one line each.
    """

    name: str
    folder: Path
    sha256: str
    untrained: bool
    recipe_known: bool
    id2label: Mapping[int, str]
    fake_index: int
    loader: str
    loader_plugin: str
    recipe: Recipe
    batch_size: int
    device: str
    precision: str
    arithmetic: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    feature_width: int = 0
    fallback_reason: str = ""
    warnings: list[str] = field(default_factory=list)

    @property
    def fake_class(self) -> str:
        """The fake class's name."""
        return self.id2label[self.fake_index]


@dataclass(frozen=True)
class ScoreJob:
    """What an executor is asked to score.

    Attributes:
        options: of the run; an executor ignores those of the output, the shard and resuming.
        files: the maximum number of files.
        plugins: the plugins loaded in this process; None if they are not loaded yet.
        guard: wraps calls that may take long, so that Ctrl-C interrupts them.
        moved: to call when the model has left its device, which changes later scores.
        say: receives messages for the user, one line at a time.
    """

    options: RunOptions
    files: int
    plugins: Plugins | None = None
    guard: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function
    moved: Callable[[ModelFacts], None] = lambda facts: None
    say: Callable[[str], None] = lambda line: None


Scored = Generator[tuple[MediaFile, FileResult], None, None]
"""Yields files as they are finished. Closing it leaves the remaining files unprocessed."""


class Work(Protocol):
    """The resources of an executor for one job: a context manager that releases all of them."""

    def __enter__(self) -> Any: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Scorer(Work, Protocol):
    """Scores the files of one run. `load` comes first, then `prepare`, then `score`, each once.

    Attributes:
        waiting: updated while it scores; for several machines, the sums.
        disk_answers: False if reading files hangs; their folder is then not listed again.
    """

    waiting: Waiting

    @property
    def disk_answers(self) -> bool: ...

    def load(self) -> ModelFacts:
        """Load the model, or the fallback, on the machine or machines where it runs.

        Raises:
            DfsubmitError: it cannot be loaded, or this machine or another one cannot do the job.
        """
        ...

    def prepare(self, files: Sequence[MediaFile]) -> ModelFacts:
        """Show faces from some of the data folder's files to a model that `NeedsFaces`.

        Returns:
            The facts about the model afterwards, with new warnings only.
        """
        ...

    def score(
        self,
        files: Iterable[MediaFile],
        keep: Callable[[MediaFile], int | None],
        should_stop: Callable[[], bool],
    ) -> Scored:
        """Score the files. Yields each file with its result, in any order, before its label is set.

        Every file gets a result, even if its machine fails. A file that crashes its worker gets
        the status crashed, and does not end the run.

        Args:
            files: consumed as capacity becomes free.
            keep: returns how many of the recipe's frames to visit, None for all; called just before
                a file is handed out, from any thread.
            should_stop: called at least every second; if true, unfinished files are left.

        Raises:
            DfsubmitError: no further file can be scored.
        """
        ...

    def progress(self) -> InHand:
        """The current progress; called once per second, from another thread."""
        ...

    def report(self) -> dict[str, Any]:
        """Entries for the run's metadata, as plain JSON types; {} for none."""
        ...


@dataclass(frozen=True)
class CutJob:
    """What an executor is asked to cut.

    Attributes:
        settings: the settings for all files; crops are not resized.
        workers: processes on each machine; 0 means the CPUs available.
        per_file_timeout: the CPU time limit per file, in seconds.
        plugins_dir: folders of plugin files.
        say: receives messages for the user, one line at a time.
    """

    settings: ScanSettings
    workers: int = 0
    per_file_timeout: float = 120.0
    plugins_dir: tuple[str, ...] = ()
    say: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class EncodedFace:
    """One face of a file, with its encoded crop.

    Attributes:
        frame, time, box: as in `records.Face`.
        png: the crop as the bytes of a PNG file.
        landmarks: (n, 2) in crop pixels; None if the detector gives none.
    """

    frame: int
    time: float
    box: Box
    png: bytes
    landmarks: FloatArray | None = None


CutFile = tuple[MediaFile, FileScan, tuple[EncodedFace, ...]]
"""A finished file of an extraction: the outcome of its scan, and its faces in frame order (none if
the scan failed)."""


class Cutter(Work, Protocol):
    """Cuts the faces of one extraction."""

    def in_hand(self) -> list[str]:
        """The names of the files in progress; called once per second, from another thread."""
        ...

    def cut(
        self, files: Iterable[MediaFile], should_stop: Callable[[], bool] = lambda: False
    ) -> Generator[CutFile, None, None]:
        """Cut the faces of the files. Yields each file as it is finished, in any order.

        Args, Raises: see `Scorer.score`.
        """
        ...


class Executor(Protocol):
    """Processes files, on this machine or on others."""

    def scorer(self, job: ScoreJob) -> Scorer:
        """The scorer of one run; nothing is loaded or started yet.

        Raises:
            DfsubmitError: it is already known that the job cannot be done.
        """
        ...

    def cutter(self, job: CutJob) -> Cutter:
        """The cutter of one extraction."""
        ...


MakeExecutor = Callable[..., Executor]
"""``make(**parameters) -> executor``: parameters are keyword parameters with defaults, set in a
spec such as ``name:key=value``."""


def local_executor() -> Executor:
    """The built-in executor, for executors that run it on other machines.

    Its scorer's `score` and its cutter's `cut` may be called again after they have ended.
    """
    executor: Executor = importlib.import_module("dfsubmit.execution.local").LocalExecutor()
    return executor


class RegisterExecutor(Protocol):
    """Given to `register_executors`."""

    def __call__(self, name: str, make: MakeExecutor) -> None: ...


@dataclass(frozen=True)
class RegisteredExecutor:
    """An executor under its name, and the plugin that it comes from."""

    name: str
    make: MakeExecutor
    plugin: str
