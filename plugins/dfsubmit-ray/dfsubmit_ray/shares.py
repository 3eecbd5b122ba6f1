"""Files → shares → actors → finished files: how the driver assigns files, and what it does when an
actor is lost.

A share is a few files. An actor gets a new share when it has finished one, so that slow machines
get fewer. Ray does not repeat shares (`max_task_retries` is 0). The driver assigns the files of a
lost share again, one by one, so that a file that ends its actor's process does not take others
with it.
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
"""A file whose actor was lost this many times is not processed again."""
RESTARTS = 3
"""How many times Ray restarts an actor's process."""

_LOST = (RayActorError, ActorUnschedulableError, ObjectLostError, OutOfMemoryError)


@dataclass
class Member:
    """An actor and what it did.

    Attributes:
        node: its machine.
        actor: Ray's handle.
        size: the number of files in a share.
        files: the number of files that it finished.
        busy: the seconds in which it had a share.
        losses: how many times its process or its machine was lost.
        gone: it was lost and is not back.
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
        """Finished files per minute."""
        return 60 * self.files / self.busy if self.busy else 0.0

    def report(self) -> dict[str, Any]:
        """Its entry in the metadata."""
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
    """Assign the files to the actors. Yields each file with its result, or with None if its actor
    was lost `MOST_LOSSES` times.

    Args:
        members: the actors.
        files: consumed as actors become idle.
        method: the actors' method for a share. It returns a list in any order, of `FileResult`s or
            of tuples that begin with the file.
        hand: returns what an actor needs for a file; called just before the file is assigned.
        should_stop: see `Scorer.score`.
        say: receives messages for the user, one line at a time.
        in_hand: updated with the names of the files that are being processed.

    Raises:
        DfsubmitError: no machine is left, or an actor failed.
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
                    "run the same command again when machines are available; it resumes",
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
                held = "1 file" if len(share.files) == 1 else f"{len(share.files)} files"
                say(f"warning: {member.node.name} was lost while it processed {held}")
                for file in share.files:
                    losses[file.name] = losses.get(file.name, 0) + 1
                    if losses[file.name] < MOST_LOSSES:
                        again.append(file)
                    else:
                        yield file, None
                # The error does not tell whether Ray restarts the actor. This call returns when it
                # has, and fails otherwise.
                probes[member.actor.ready.remote()] = member
                continue
            except RayTaskError as error:
                raise DfsubmitError(
                    f"{member.node.name}: {error.cause!r}",
                    "Ray's logs on that machine may have details",
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
    # Files of lost shares come last, and one at a time: one of them may have ended the process.
    return list(islice(waiting, size)) or ([again.popleft()] if again else [])


def _submit(member: Member, method: str, handed: Handed) -> Any:
    try:
        return getattr(member.actor, method).remote(handed)
    except (ObjectStoreFullError, OutOfDiskError) as error:
        raise DfsubmitError(
            f"the files of a share do not fit into Ray's object store: {error}",
            "make it larger (ray start --object-store-memory), or use smaller shares: ray:share=1; "
            "run the same command again: it resumes",
        ) from error


def _probed(member: Member, reference: Any, say: Callable[[str], None]) -> None:
    """Note whether a lost actor is back."""
    try:
        ray.get(reference)
        member.gone = False
        say(f"{member.node.name} is back")
    except _LOST:
        say(f"warning: {member.node.name} is not coming back")


def _by_file(files: list[MediaFile], answer: list[Any]) -> Iterator[tuple[MediaFile, Any]]:
    known = {file.name: file for file in files}
    for item in answer:
        name = item[0].name if isinstance(item, tuple) else item.filename
        yield known[name], item
