"""Files → shares → machines → finished files: what the driver hands out, and what it does when a
machine is lost.

A share is a few files. A machine gets the next one when it is done with one, so that slow machines
get fewer. Ray repeats nothing by itself (`max_task_retries` is 0): a share whose machine was lost
is handed out again here, file by file, so that a file that ends machines costs itself alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import ray
from ray.exceptions import (
    ActorUnschedulableError,
    ObjectLostError,
    ObjectStoreFullError,
    OutOfDiskError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
)

from dfsubmit.hooks import DfsubmitError, MediaFile
from dfsubmit_ray.cluster import Node
from dfsubmit_ray.machine import Failure, Handed

POLL_SECONDS = 0.5
MOST_LOSSES = 2
"""A file that was in hand so often when its machine was lost is not tried again."""
RESTARTS = 3
"""So often Ray starts a machine's process again."""

_LOST = (RayActorError, ActorUnschedulableError, ObjectLostError, OutOfMemoryError)


@dataclass
class Member:
    """A machine at work.

    Attributes:
        node, actor: which.
        size: files of a share.
        files: how many it finished.
        busy: seconds in which it had something in hand.
        losses: how often its process, or itself, was lost.
        gone: lost, and not back since.
    """

    node: Node
    actor: Any
    size: int
    files: int = 0
    busy: float = 0.0
    losses: int = 0
    gone: bool = False

    @property
    def per_minute(self) -> float:
        """Finished files a minute."""
        return 60 * self.files / self.busy if self.busy else 0.0

    def report(self) -> dict[str, Any]:
        """For the metadata."""
        return {
            "machine": self.node.name,
            "files": self.files,
            "seconds": round(self.busy, 3),
            "files_per_minute": round(self.per_minute, 1),
            "losses": self.losses,
            "lost": self.gone,
        }


@dataclass
class _Share:
    files: list[MediaFile]
    began: float = field(default_factory=time.monotonic)


def work_off(
    members: list[Member],
    files: Iterable[MediaFile],
    method: str,
    hand: Callable[[MediaFile], tuple[MediaFile, int | None, bytes | None]],
    should_stop: Callable[[], bool],
    say: Callable[[str], None],
    in_hand: set[str],
) -> Generator[tuple[MediaFile, Any], None, None]:
    """Hand out the files; give each with what its machine made of it, or with None where the file
    was in hand each time when `MOST_LOSSES` machines were lost.

    Args:
        members: the machines.
        files: taken from as machines become idle.
        method: of the actors: what to do with a share. It gives a list in any order.
        hand: what a machine needs to know of a file; asked just before it is handed out.
        should_stop: see `Scorer.score`.
        say: receives what the user should know.
        in_hand: the names of the files that machines have, kept up to date.

    Raises:
        DfsubmitError: no machine is left, or one of them says so.
    """
    waiting = iter(files)
    again: deque[MediaFile] = deque()
    losses: dict[str, int] = {}
    shares: dict[Any, tuple[Member, _Share]] = {}
    probes: dict[Any, Member] = {}
    while True:
        for member in members:
            idle = all(member is not other for other, _ in shares.values())
            if idle and not member.gone:
                chosen = _next_share(waiting, again, member.size)
                if chosen:
                    task = _submit(member, method, [hand(file) for file in chosen])
                    shares[task] = (member, _Share(chosen))
                    in_hand.update(file.name for file in chosen)
        if not shares:
            again.extend(islice(waiting, 0 if again else 1))
            if not again:
                return
            if not probes:
                raise DfsubmitError(
                    "no machine of the cluster is left",
                    "give the same command again when some are: it goes on where it was",
                )
        ready, _ = ray.wait([*shares, *probes], timeout=POLL_SECONDS)
        if should_stop():
            return
        for reference in ready:
            if reference in probes:
                _probed(probes.pop(reference), reference, say)
                continue
            member, share = shares.pop(reference)
            member.busy += time.monotonic() - share.began
            in_hand.difference_update(file.name for file in share.files)
            try:
                answer = ray.get(reference)
            except _LOST:
                member.losses += 1
                member.gone = True
                say(f"warning: {member.node.name} was lost with {len(share.files)} files in hand")
                for file in share.files:
                    losses[file.name] = losses.get(file.name, 0) + 1
                    if losses[file.name] < MOST_LOSSES:
                        again.append(file)
                    else:
                        yield file, None
                # Ray says that an actor died, whether or not it starts again: this call waits for
                # that, or fails.
                probes[member.actor.ready.remote()] = member
                continue
            except RayTaskError as error:
                raise DfsubmitError(
                    f"{member.node.name}: {error.cause!r}",
                    "the log of Ray on that machine says more",
                ) from error
            if isinstance(answer, Failure):
                raise DfsubmitError(
                    f"{member.node.name}: {answer.message}", answer.hint, answer.exit_code
                )
            member.files += len(share.files)
            yield from _by_file(share.files, answer)


def _next_share(
    waiting: Iterator[MediaFile], again: deque[MediaFile], size: int
) -> list[MediaFile]:
    # What was lost with a machine comes alone, at the end: with others it would cost them again.
    return list(islice(waiting, size)) or ([again.popleft()] if again else [])


def _submit(member: Member, method: str, handed: Handed) -> Any:
    try:
        return getattr(member.actor, method).remote(handed)
    except (ObjectStoreFullError, OutOfDiskError) as error:
        raise DfsubmitError(
            f"Ray's object store does not take the files of a share: {error}",
            "give the cluster a larger one (ray start --object-store-memory), or hand out fewer "
            "files at a time: ray:share=1; the same command goes on where it was",
        ) from error


def _probed(member: Member, reference: Any, say: Callable[[str], None]) -> None:
    """Whether a machine that was lost is back."""
    try:
        ray.get(reference)
        member.gone = False
        say(f"{member.node.name} is back")
    except _LOST:
        say(f"warning: {member.node.name} does not come back")


def _by_file(files: list[MediaFile], answer: list[Any]) -> Iterator[tuple[MediaFile, Any]]:
    known = {file.name: file for file in files}
    for item in answer:
        name = item[0].name if isinstance(item, tuple) else item.filename
        yield known[name], item
