"""Where a run's files are scored, or a data set's faces are cut: what an executor implements.

An executor takes files and gives finished results as they come. Everything else stays with the
run: the listing, the labels, the journal, the CSV, the clock. The built-in one, ``local``, is this
machine (`dfsubmit.execution.local`); ``plugins/dfsubmit-ray`` has one for several.
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
    """Which side waited for the other, in seconds.

    Attributes:
        load: nothing could begin before the model was loaded (and, for int8, calibrated).
        model: the model had no faces to classify.
        workers: the queue was full and the workers had to stop.
        classify: the model was at work.
    """

    load: float = 0.0
    model: float = 0.0
    workers: float = 0.0
    classify: float = 0.0


@dataclass(frozen=True)
class InHand:
    """What an executor is at, for the progress bar.

    Attributes:
        frames: how many frames with a face came so far, of all files.
        files: the names of those that are worked on, each with how many of its frames have come.
        words: to be shown beside; "" for none.
    """

    frames: int = 0
    files: Mapping[str, int] = field(default_factory=dict)
    words: str = ""


@dataclass
class ModelFacts:
    """What a run has to know of its model, wherever that is loaded. Plain data: it can travel.

    Attributes:
        name, folder, sha256, untrained, recipe_known: of the model's folder.
        id2label: its class names by index.
        fake_index: which of them is fake.
        loader, loader_plugin: what loaded it.
        recipe: what the run obeys.
        batch_size: faces a forward pass.
        device, precision, arithmetic: where and how it computes.
        input: how a crop becomes its input, for the metadata.
        feature_width: numbers that it gives of a face's features; 0 where it gives none.
        fallback_reason: why the model that was asked for was not used; empty when it was.
        warnings: what the user should know, a line each.
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
        options: of the run; those of the output, the shard and the resuming are not its business.
        files: the number of files, at most.
        plugins: loaded in this process; None where they are not yet.
        guard: what a call that may take long goes through, so that Ctrl-C breaks it off.
        moved: to be called when the model has left its device, and scores from now on differ.
        say: receives what the user should know, a line at a time.
    """

    options: RunOptions
    files: int
    plugins: Plugins | None = None
    guard: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function
    moved: Callable[[ModelFacts], None] = lambda facts: None
    say: Callable[[str], None] = lambda line: None


Scored = Generator[tuple[MediaFile, FileResult], None, None]
"""Finished files as they come; closed, it leaves the others as they are."""


class Work(Protocol):
    """What an executor has open for one job: a context manager that leaves nothing behind."""

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
        waiting: where the time went, added up while it scores; of several machines the sums.
        disk_answers: False where files are waited for in vain, so that nobody lists their folder.
    """

    waiting: Waiting

    @property
    def disk_answers(self) -> bool: ...

    def load(self) -> ModelFacts:
        """Load the model, or the fallback, wherever it is to run.

        Raises:
            DfsubmitError: it cannot be loaded, or this machine or another one cannot do the job.
        """
        ...

    def prepare(self, files: Sequence[MediaFile]) -> ModelFacts:
        """Let a model that `NeedsFaces` see some of these: all files of the data folder.

        Returns:
            What is known of the model afterwards; its warnings are those that are new.
        """
        ...

    def score(
        self,
        files: Iterable[MediaFile],
        keep: Callable[[MediaFile], int | None],
        should_stop: Callable[[], bool],
    ) -> Scored:
        """Score the files; give each, in any order, with its result, not decided yet.

        Every file gets a result, whatever becomes of its machine: one that costs a worker has the
        status crashed, and none ends the run.

        Args:
            files: to be taken from as they can be worked on.
            keep: how many of the recipe's frames to visit, asked just before a file is handed out
                (from any thread); None for all.
            should_stop: asked at least every second; when true, what is not finished is left.

        Raises:
            DfsubmitError: nothing more can be scored.
        """
        ...

    def progress(self) -> InHand:
        """What is in hand now; asked once a second, from another thread."""
        ...

    def report(self) -> dict[str, Any]:
        """What the run's metadata should say of it, as plain JSON types; {} for nothing."""
        ...


@dataclass(frozen=True)
class CutJob:
    """What an executor is asked to cut.

    Attributes:
        settings: what holds for every file; the crops stay at the size at which they are cut.
        workers: processes on each machine; 0 means the CPUs available.
        per_file_timeout: seconds of CPU time that one file may take.
        plugins_dir: folders of plugin files.
        say: receives what the user should know, a line at a time.
    """

    settings: ScanSettings
    workers: int = 0
    per_file_timeout: float = 120.0
    plugins_dir: tuple[str, ...] = ()
    say: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class EncodedFace:
    """One face of a file, as it is kept.

    Attributes:
        frame, time, box: as in `records.Face`.
        png: the crop's file.
        landmarks: (n, 2) in crop pixels; None where the detector gives none.
    """

    frame: int
    time: float
    box: Box
    png: bytes
    landmarks: FloatArray | None = None


CutFile = tuple[MediaFile, FileScan, tuple[EncodedFace, ...]]
"""A finished file of an extraction: how its scan went, and its faces in the order of their frames,
none where that did not go well."""


class Cutter(Work, Protocol):
    """Cuts the faces of one extraction."""

    def in_hand(self) -> list[str]:
        """The names of the files that are worked on; asked once a second, from another thread."""
        ...

    def cut(
        self, files: Iterable[MediaFile], should_stop: Callable[[], bool] = lambda: False
    ) -> Generator[CutFile, None, None]:
        """Cut the faces of the files; give each file, in any order, as it is finished.

        Args, Raises: see `Scorer.score`.
        """
        ...


class Executor(Protocol):
    """A place where files are worked on."""

    def scorer(self, job: ScoreJob) -> Scorer:
        """For one run; nothing is loaded or started yet.

        Raises:
            DfsubmitError: it can be seen already that the job cannot be done.
        """
        ...

    def cutter(self, job: CutJob) -> Cutter:
        """For one extraction."""
        ...


MakeExecutor = Callable[..., Executor]
"""``make(**parameters) -> executor``: parameters are keyword parameters with defaults, set in a
spec such as ``name:key=value``."""


def local_executor() -> Executor:
    """The built-in one, for executors that run it elsewhere, or in another way.

    The `score` and `cut` of what it gives may be called again once they have ended.
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
