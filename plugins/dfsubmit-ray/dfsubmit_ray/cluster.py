"""Before the first file: connects to the cluster, and compares its machines."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from dfsubmit.hooks import DfsubmitError
from dfsubmit_ray import passport

# A machine may have to start a process first.
ANSWER_SECONDS = 120.0


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, as Ray knows it."""

    key: str
    name: str
    cpus: float
    gpus: float

    def places(self, gpus: float) -> int:
        """The number of actors with `gpus` GPUs each that fit; 1 without GPUs. A fraction is always
        one of a single GPU."""
        if not gpus:
            return 1
        if gpus > 1:
            return int(self.gpus // gpus)
        return int(self.gpus) * int(1 / gpus + 1e-9)


def connect(address: str, seconds: float) -> None:
    """Connect this process to the cluster as a driver, unless it is connected to one.

    Raises:
        DfsubmitError: there is no cluster, it refuses the token, or it does not answer in time.
    """
    if ray.is_initialized():
        return
    hint = (
        "start it with 'ray start --head' and give executor ray:address=HOST:6379; check "
        "'ray status' there, the firewall, and RAY_AUTH_TOKEN if the cluster requires a token"
    )
    where = "that this machine belongs to" if address == "auto" else f"at {address}"
    _probe(address, min(seconds, 10.0), hint)
    problems: list[BaseException] = []
    logging.getLogger("ray").setLevel(logging.ERROR)

    def init() -> None:
        try:
            ray.init(
                address=address, log_to_driver=False, configure_logging=False, logging_level="ERROR"
            )
        except BaseException as error:
            problems.append(error)

    # Ray may try for minutes, and has no option to shorten that.
    thread = threading.Thread(target=init, daemon=True)
    thread.start()
    thread.join(seconds)
    if problems:
        if _is_about_the_token(problems[0]):
            raise DfsubmitError(
                f"the Ray cluster {where} requires a token, and RAY_AUTH_TOKEN is missing or wrong",
                "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to the value that 'ray start' was "
                "given",
            )
        reason = (str(problems[0]).strip() or repr(problems[0])).splitlines()[0]
        raise DfsubmitError(f"there is no Ray cluster {where}: {reason}", hint)
    if thread.is_alive():
        raise DfsubmitError(f"the Ray cluster {where} does not answer within {seconds:g} s", hint)


def _is_about_the_token(error: BaseException | None) -> bool:
    """Whether an error of `ray.init`, or what caused it, is an AuthenticationError."""
    while error is not None:
        # Ray puts the original error into the text of another one.
        if "AuthenticationError" in f"{type(error).__name__} {error}":
            return True
        error = error.__cause__
    return False


def _probe(address: str, seconds: float, hint: str) -> None:
    """Check that a process listens at the address."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address in ("auto", "local") or not (colon and port.isdigit()):
        return
    try:
        socket.create_connection((host, int(port)), seconds).close()
    except OSError as error:
        reason = error.strerror or error
        raise DfsubmitError(
            f"the Ray cluster at {address} cannot be reached: {reason}", hint
        ) from None


def nodes(machines: int, gpus: float) -> list[Node]:
    """The machines to use, sorted by name.

    Args:
        machines: their number; 0 for all.
        gpus: the GPUs of each actor; machines that have fewer are left out.

    Raises:
        DfsubmitError: the cluster has fewer machines.
    """
    found = []
    for node in ray.nodes():
        resources = node.get("Resources", {})
        name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        cpus, has = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
        one = Node(node["NodeID"], name, cpus, has)
        if node["Alive"] and cpus and one.places(gpus):
            found.append(one)
    found.sort(key=lambda node: (node.name, node.key))
    if len(found) < max(machines, 1):
        what = f" with {gpus:g} GPU" if gpus else ""
        raise DfsubmitError(
            f"the cluster has {len(found)} machines{what}, and {max(machines, 1)} are asked for",
            "'ray status' lists them; ray:machines=N asks for fewer",
        )
    return found[: machines or None]


def pinned(node: Node) -> Any:
    """Ray's option for a task or an actor that may only run on this machine."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node.key, soft=False)


def check_versions(machines: Sequence[Node]) -> None:
    """Check that all machines have the same versions as this one.

    Raises:
        DfsubmitError: they do not; names the machines and what differs.
    """
    ours = passport.versions()
    answers = _ask(machines, passport.versions)
    lines = []
    for node, theirs in zip(machines, answers, strict=True):
        lines += [
            f"{node.name} has {name} {theirs.get(name, 'not installed')}, here it is "
            f"{ours.get(name, 'not installed')}"
            for name in sorted({*ours, *theirs})
            if ours.get(name) != theirs.get(name)
        ]
    _refuse(lines, "install the same versions everywhere: pip install -r on all machines")


def check_data(
    machines: Sequence[Node],
    sample: Sequence[tuple[str, int, int]],
    folder: str,
    count: int,
    recursive: bool,
) -> None:
    """Check that all machines have the driver's files.

    Args: see `passport.differing_files`.

    Raises:
        DfsubmitError: they do not; names the machines and what differs.
    """
    answers = _ask(machines, passport.differing_files, list(sample), folder, count, recursive)
    lines = [
        f"{node.name}: {line}"
        for node, found in zip(machines, answers, strict=True)
        for line in found[:3]
    ]
    _refuse(lines, "mount the same disk at the same path everywhere, or send the files: ship=media")


def check_facts(machines: Sequence[Node], facts: Sequence[Mapping[str, Any]]) -> None:
    """Check that all machines have loaded the same model in the same way.

    Args:
        machines: in the order of `facts`.
        facts: the values that must be equal.

    Raises:
        DfsubmitError: they are not; names the machines and what differs.
    """
    lines = [
        f"{node.name} has a different {name} than {machines[0].name}: {theirs[name]} and {ours}"
        for node, theirs in zip(machines, facts, strict=True)
        for name, ours in facts[0].items()
        if theirs[name] != ours
    ]
    _refuse(lines, "give all machines the same model folder, or send it: ship=model")


def _ask(machines: Sequence[Node], function: Any, *arguments: Any) -> list[Any]:
    """The results of a function of `passport` on each machine, in their order."""
    ray.cloudpickle.register_pickle_by_value(passport)
    try:
        remote = ray.remote(function)
        asked = [
            remote.options(num_cpus=0, scheduling_strategy=pinned(node)).remote(*arguments)
            for node in machines
        ]
        return list(ray.get(asked, timeout=ANSWER_SECONDS))
    except GetTimeoutError:
        raise DfsubmitError(
            f"not every machine of the cluster answers within {ANSWER_SECONDS:g} s",
            "'ray status' lists the machines",
        ) from None
    except RayError as error:
        raise DfsubmitError(f"a machine of the cluster does not answer: {error}") from error
    finally:
        ray.cloudpickle.unregister_pickle_by_value(passport)


def _refuse(lines: Sequence[str], hint: str) -> None:
    if lines:
        rest = f"; and {len(lines) - 5} more" if len(lines) > 5 else ""
        raise DfsubmitError(f"the machines differ: {'; '.join(lines[:5])}{rest}", hint)
