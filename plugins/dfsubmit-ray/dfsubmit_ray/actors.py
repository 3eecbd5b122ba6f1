"""The actors of one job: how many a machine gets, their start, and their end."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import ray
from ray.exceptions import RayError

from dfsubmit.hooks import CutJob, DfsubmitError, MediaFile, ScoreJob
from dfsubmit_ray import cluster
from dfsubmit_ray.cluster import Node
from dfsubmit_ray.machine import Failure, Machine
from dfsubmit_ray.shares import RESTARTS, Member

CLOSE_SECONDS = 10.0


@dataclass(frozen=True)
class Wishes:
    """The parameters of the executor; see `dfsubmit_ray.ray_executor`."""

    address: str = "auto"
    machines: int = 0
    cpus: int = 0
    gpus: float = 0.0
    share: int = 0
    ship: frozenset[str] = frozenset()
    wait: float = 30.0


def layout(node: Node, wishes: Wishes) -> tuple[int, float]:
    """The number of actors on a machine, and the CPUs (as Ray counts them) of each.

    Raises:
        DfsubmitError: the machine has fewer CPUs. Ray would wait for them for ever.
    """
    actors = node.places(wishes.gpus)
    if wishes.cpus:
        if wishes.cpus * actors > node.cpus:
            each = f" ({actors} actors with {wishes.cpus} each)" if actors > 1 else ""
            raise DfsubmitError(
                f"{node.name} has {node.cpus:g} CPUs, and {wishes.cpus * actors} are asked for"
                f"{each}",
                "ray:cpus=N is the number for each actor; without it, they share all CPUs",
            )
        return actors, wishes.cpus
    cpus = node.cpus / actors
    # More GPUs than CPUs: Ray counts fractions, in steps of 0.0001.
    return actors, math.floor(cpus) if cpus >= 1 else math.floor(cpus * 1e4) / 1e4


class Actors:
    """The actors of one job: a context manager that ends them."""

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
        if kind is None and not self.names:
            self._close()
        for member in self.members:
            with contextlib.suppress(RayError):
                # An actor would first finish its share. Its workers end with its process, and the
                # next actor on the machine removes its temporary folder.
                ray.kill(member.actor)
        if self._ours:
            ray.shutdown()

    def _close(self) -> None:
        """Let the actors, which are idle, remove their temporary folders."""
        with contextlib.suppress(RayError):
            closing = [member.actor.close.remote() for member in self.members if not member.gone]
            if closing:
                ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)

    def start(self, job: ScoreJob | CutJob, model: bytes | None) -> None:
        """Connect, check the software, and start the actors on each machine."""
        self._ours = not ray.is_initialized()
        cluster.connect(self.wishes.address, self.wishes.wait)
        nodes = cluster.nodes(self.wishes.machines, self.wishes.gpus)
        layouts = [layout(node, self.wishes) for node in nodes]
        cluster.check_versions(nodes)
        shipped = None if model is None else ray.put(model)
        for node, (actors, cpus) in zip(nodes, layouts, strict=True):
            actor = ray.remote(Machine).options(
                num_cpus=cpus,
                num_gpus=self.wishes.gpus or None,
                # Ray restarts the process. The driver assigns its files again.
                max_restarts=RESTARTS,
                max_task_retries=0,
                scheduling_strategy=cluster.pinned(node),
            )
            size = self.wishes.share or max(1, int(4 * cpus))
            theirs = _divided(job, node, actors)
            for _ in range(actors):
                self.members.append(Member(node, actor.remote(theirs, shipped), size))

    def ask(self, method: str, *arguments: Any) -> list[Any]:
        """The result of a method on every actor.

        Raises:
            DfsubmitError: one of them failed or is lost.
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
        """A file's bytes with ``ship=media``; None if the machines read the file themselves."""
        if "media" not in self.wishes.ship:
            return None
        try:
            return file.path.read_bytes()
        except OSError:
            return None  # the scan reports the reason


def _divided(job: ScoreJob | CutJob, node: Node, actors: int) -> ScoreJob | CutJob:
    """The job of each of a machine's actors: they divide its worker processes."""
    if actors == 1:
        return job
    asked = job.workers if isinstance(job, CutJob) else job.options.workers
    workers = max(1, (asked or int(node.cpus)) // actors)
    if isinstance(job, CutJob):
        return dataclasses.replace(job, workers=workers)
    return dataclasses.replace(job, options=dataclasses.replace(job.options, workers=workers))
