"""The cluster before the first file: reached in time, and of machines that are alike."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from dfsubmit.hooks import DfsubmitError
from dfsubmit_ray import passport

# A machine that is asked what it is may have to start a process first.
ANSWER_SECONDS = 120.0


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, as Ray knows it."""

    key: str
    name: str
    cpus: float
    gpus: float


def connect(address: str, seconds: float) -> None:
    """Become a driver of the cluster; one that this process is already is kept.

    Raises:
        DfsubmitError: there is none, or it does not answer in time.
    """
    if ray.is_initialized():
        return
    hint = (
        "start it with 'ray start --head' and give executor ray:address=HOST:6379; look at "
        "'ray status' there, at the firewall, and, where the cluster wants one, at RAY_AUTH_TOKEN"
    )
    where = "this machine belongs to" if address == "auto" else f"at {address}"
    _probe(address, min(seconds, 10.0), hint)
    problems: list[BaseException] = []

    def init() -> None:
        try:
            ray.init(
                address=address, log_to_driver=False, configure_logging=False, logging_level="ERROR"
            )
        except BaseException as error:
            problems.append(error)

    # Ray tries for minutes, and cannot be told otherwise.
    thread = threading.Thread(target=init, daemon=True)
    thread.start()
    thread.join(seconds)
    if problems:
        reason = str(problems[0]).strip().split("\\n")[0]
        raise DfsubmitError(f"no Ray cluster {where}: {reason}", hint)
    if thread.is_alive():
        raise DfsubmitError(f"the Ray cluster {where} does not answer for {seconds:g} s", hint)


def _probe(address: str, seconds: float, hint: str) -> None:
    """Whether anything listens there at all."""
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
    """The machines to use, by name.

    Raises:
        DfsubmitError: there are fewer than are asked for.
    """
    found = []
    for node in ray.nodes():
        resources = node.get("Resources", {})
        cpus, has = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
        if node["Alive"] and cpus and has >= min(gpus, 1.0):
            name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
            found.append(Node(node["NodeID"], name, cpus, has))
    found.sort(key=lambda node: (node.name, node.key))
    if len(found) < max(machines, 1):
        what = " with a GPU" if gpus else ""
        raise DfsubmitError(
            f"the cluster has {len(found)} machines{what}, and {max(machines, 1)} are asked for",
            "'ray status' shows them; ray:machines=N asks for fewer",
        )
    return found[: machines or None]


def pinned(node: Node) -> Any:
    """Ray's option for a task or an actor that runs there or nowhere."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node.key, soft=False)


def check_versions(machines: Sequence[Node]) -> None:
    """That the same software is installed on all machines and here.

    Raises:
        DfsubmitError: it is not; says what differs where.
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
    """That all machines see the driver's files.

    Raises:
        DfsubmitError: they do not; says what differs where.
    """
    answers = _ask(machines, passport.differing_files, list(sample), folder, count, recursive)
    lines = [
        f"{node.name}: {line}"
        for node, found in zip(machines, answers, strict=True)
        for line in found[:3]
    ]
    _refuse(lines, "mount the same disk at the same path everywhere, or send the files: ship=media")


def check_facts(machines: Sequence[Node], facts: Sequence[Mapping[str, Any]]) -> None:
    """That all machines have loaded the same model in the same way.

    Args:
        machines: in the order of `facts`.
        facts: what has to be equal.

    Raises:
        DfsubmitError: it is not; says what differs where.
    """
    lines = [
        f"{node.name} has another {name} than {machines[0].name}: {theirs[name]} and {ours}"
        for node, theirs in zip(machines, facts, strict=True)
        for name, ours in facts[0].items()
        if theirs[name] != ours
    ]
    _refuse(lines, "give all machines the same model folder, or send it: ship=model")


def _ask(machines: Sequence[Node], function: Any, *arguments: Any) -> list[Any]:
    """What a function of `passport` gives on each machine, in their order."""
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
            "'ray status' shows which are there",
        ) from None
    except RayError as error:
        raise DfsubmitError(f"a machine of the cluster does not answer: {error}") from error
    finally:
        ray.cloudpickle.unregister_pickle_by_value(passport)


def _refuse(lines: Sequence[str], hint: str) -> None:
    if lines:
        rest = f"; and {len(lines) - 5} more" if len(lines) > 5 else ""
        raise DfsubmitError(f"the machines differ: {'; '.join(lines[:5])}{rest}", hint)
