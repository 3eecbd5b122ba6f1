"""The executor: connects, checks, starts an actor on each machine, and hands out shares."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import zipfile
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import ray
from ray.exceptions import RayError

from dfsubmit.hooks import (
    CutFile,
    CutJob,
    DfsubmitError,
    FileResult,
    FileScan,
    InHand,
    MediaFile,
    ModelFacts,
    Scored,
    ScoreJob,
    Status,
    UsageError,
    Waiting,
    load_recipe,
)
from dfsubmit_ray import cluster
from dfsubmit_ray.machine import Failure, Machine
from dfsubmit_ray.shares import RESTARTS, Member, work_off

SAMPLED = 100
_LOST = "its machine was lost each time that it was tried"


@dataclass(frozen=True)
class Wishes:
    """The parameters of the executor; see `dfsubmit_ray.ray_executor`."""

    address: str
    machines: int
    cpus: int
    gpus: float
    share: int
    ship: frozenset[str]
    wait: float


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


class _Cluster:
    """The machines of one job: a context manager that ends what it started on them."""

    def __init__(self, wishes: Wishes, say: Callable[[str], None]) -> None:
        self.wishes = wishes
        self.say = say
        self.members: list[Member] = []
        self.names: set[str] = set()
        self._ours = False

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for member in self.members:
            with contextlib.suppress(RayError):
                # A share in hand would be waited for; its workers die with the actor.
                ray.kill(member.actor)
        if self._ours:
            ray.shutdown()

    def start(self, job: ScoreJob | CutJob, model: bytes | None) -> None:
        """Connect, check the software, and start an actor on each machine."""
        self._ours = not ray.is_initialized()
        cluster.connect(self.wishes.address, self.wishes.wait)
        nodes = cluster.nodes(self.wishes.machines, self.wishes.gpus)
        cluster.check_versions(nodes)
        shipped = None if model is None else ray.put(model)
        for node in nodes:
            actors = max(1, int(node.gpus / self.wishes.gpus)) if self.wishes.gpus else 1
            cpus = self.wishes.cpus or max(1, int(node.cpus) // actors)
            actor = ray.remote(Machine).options(
                num_cpus=cpus,
                num_gpus=self.wishes.gpus or None,
                # The process is started again; what it had in hand is the driver's business.
                max_restarts=RESTARTS,
                max_task_retries=0,
                scheduling_strategy=cluster.pinned(node),
            )
            size = self.wishes.share or 4 * cpus
            for _ in range(actors):
                self.members.append(Member(node, actor.remote(job, shipped), size))

    def ask(self, method: str, *arguments: Any) -> list[Any]:
        """What a method gives on every machine.

        Raises:
            DfsubmitError: one of them says so, or does not answer.
        """
        asked = [getattr(member.actor, method).remote(*arguments) for member in self.members]
        answers = []
        for member, reference in zip(self.members, asked, strict=True):
            try:
                answer = ray.get(reference)
            except RayError as error:
                raise DfsubmitError(f"{member.node.name} cannot {method}: {error}") from error
            if isinstance(answer, Failure):
                raise DfsubmitError(
                    f"{member.node.name}: {answer.message}", answer.hint, answer.exit_code
                )
            answers.append(answer)
        return answers

    def data_of(self, file: MediaFile) -> bytes | None:
        """A file's bytes, where the machines do not have it."""
        if "media" not in self.wishes.ship:
            return None
        try:
            return file.path.read_bytes()
        except OSError:
            return None  # the scan says what is wrong with it


class RayScorer(_Cluster):
    """Scores the files of one run on several machines."""

    disk_answers = True

    def __init__(self, wishes: Wishes, job: ScoreJob) -> None:
        super().__init__(wishes, job.say)
        self.job = job
        self.waiting = Waiting()
        model = Path(job.options.model)
        if model.is_file():
            raise UsageError(f"{model} is a file: with executor ray, give a model folder")

    def load(self) -> ModelFacts:
        """Connect, check, and load the model on every machine."""
        return self.job.guard(self._load)()  # type: ignore[no-any-return]

    def _load(self) -> ModelFacts:
        options = self.job.options
        folder = Path(options.model).absolute()
        recipe = options.recipe
        if isinstance(recipe, (str, Path)):
            recipe = load_recipe(recipe)  # its file may lie here alone
        theirs = dataclasses.replace(
            options,
            model=folder,
            recipe=recipe,
            data=Path(options.data).absolute(),
            output=Path(options.output).absolute(),
            fallback=None if options.fallback is None else Path(options.fallback).absolute(),
            plugins_dir=tuple(os.path.abspath(path) for path in options.plugins_dir),
            shard=None,
            executor="local",
            time_limit=None,
            progress=False,
        )
        model = _zipped(folder) if "model" in self.wishes.ship else None
        self.start(ScoreJob(theirs, self.job.files), model)
        found: list[ModelFacts] = self.ask("load")
        keys = ("sha256", "precision", "loader", "recipe", "fake_index")
        alike = [{key: getattr(facts, key) for key in keys} for facts in found]
        cluster.check_facts([member.node for member in self.members], alike)
        facts = found[0]
        used = options.fallback if facts.fallback_reason else options.model
        assert used is not None
        return dataclasses.replace(facts, folder=Path(used))

    def prepare(self, files: Sequence[MediaFile]) -> ModelFacts:
        """Check that every machine sees these files, and show the model some where it needs any."""
        return self.job.guard(self._prepare)(files)  # type: ignore[no-any-return]

    def _prepare(self, files: Sequence[MediaFile]) -> ModelFacts:
        options = self.job.options
        if "media" not in self.wishes.ship:
            step = max(1, len(files) // SAMPLED)
            sample = [(str(f.path.absolute()), f.size, f.mtime_ns) for f in files[::step]]
            nodes = list({member.node.key: member.node for member in self.members}.values())
            folder = os.path.abspath(options.data)
            cluster.check_data(nodes, sample, folder, len(files), options.recursive)
        # Of all models, those in int8 alone look at the run's own faces.
        shown = [_absolute(file) for file in files] if options.precision == "int8" else []
        found: list[ModelFacts] = self.ask("prepare", shown)
        return found[0]

    def score(
        self,
        files: Iterable[MediaFile],
        keep: Callable[[MediaFile], int | None],
        should_stop: Callable[[], bool],
    ) -> Scored:
        """Hand out the files; give each with its result as its share is finished."""

        def hand(file: MediaFile) -> tuple[MediaFile, int | None, bytes | None]:
            return _absolute(file), keep(file), self.data_of(file)

        done = work_off(self.members, files, "score", hand, should_stop, self.say, self.names)
        for file, result in done:
            if result is None:
                result = FileResult(filename=file.name, status=Status.CRASHED, error=_LOST)
            yield file, result

    def progress(self) -> InHand:
        """What the machines have in hand, and how fast each is."""
        at_work = [member for member in self.members if not member.gone]
        speeds = " + ".join(f"{member.per_minute:.0f}" for member in at_work[:8])
        words = f"{len(at_work)} machines: {speeds} files/min" if at_work else ""
        return InHand(files=dict.fromkeys(list(self.names), 0), words=words)

    def report(self) -> dict[str, Any]:
        """What each machine did."""
        return {"machines": [member.report() for member in self.members]}


class RayCutter(_Cluster):
    """Cuts the faces of one extraction on several machines."""

    def __init__(self, wishes: Wishes, job: CutJob) -> None:
        super().__init__(wishes, job.say)
        self.job = job

    def __enter__(self) -> RayCutter:
        folders = tuple(os.path.abspath(path) for path in self.job.plugins_dir)
        self.start(dataclasses.replace(self.job, plugins_dir=folders, say=_nobody), None)
        return self

    def in_hand(self) -> list[str]:
        """The names of the files that machines have."""
        return list(self.names)

    def cut(
        self, files: Iterable[MediaFile], should_stop: Callable[[], bool] = lambda: False
    ) -> Generator[CutFile, None, None]:
        """Hand out the files; give each with its faces as its share is finished."""

        def hand(file: MediaFile) -> tuple[MediaFile, int | None, bytes | None]:
            return _absolute(file), None, self.data_of(file)

        for file, cut in work_off(
            self.members, files, "cut", hand, should_stop, self.say, self.names
        ):
            if cut is None:
                yield file, FileScan(status=Status.CRASHED, error=_LOST), ()
            else:
                yield file, cut[1], cut[2]


def _absolute(file: MediaFile) -> MediaFile:
    return dataclasses.replace(file, path=file.path.absolute())


def _nobody(line: str) -> None:
    """The machines' lines come with their answers."""


def _zipped(folder: Path) -> bytes:
    """A model folder with its name, as one piece.

    Raises:
        UsageError: it is none.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no model folder", "with ship=model it is sent from here")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:  # weights do not compress
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, Path(folder.name) / path.relative_to(folder))
    return stream.getvalue()
