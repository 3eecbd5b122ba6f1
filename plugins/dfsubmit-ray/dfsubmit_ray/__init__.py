"""An executor for several machines, through Ray: ``--executor ray:machines=3``.

In: a job and its files. Out: finished results as they come, from one actor a machine, each of which
runs dfsubmit's own local executor on the few files that the driver hands it at a time.
"""

from __future__ import annotations

from typing import Any

from dfsubmit.hooks import NotInstalled, RegisterExecutor, UsageError, hookimpl

DFSUBMIT_HOOKS = 1
_SHIPPED = ("model", "media")


@hookimpl
def register_executors(register: RegisterExecutor) -> None:
    """Register ``ray``."""
    register("ray", ray_executor)


def ray_executor(
    address: str = "auto",
    machines: int = 0,
    cpus: int = 0,
    gpus: float = 0.0,
    share: int = 0,
    ship: str = "",
    wait: float = 30.0,
) -> Any:
    """The executor.

    Args:
        address: of the cluster: "auto" for the one that this machine belongs to, or ``host:port``.
        machines: how many of them to use; 0 for all.
        cpus: of each machine, as Ray counts them; 0 for all that it has.
        gpus: of each machine, fractions allowed; with more than one a machine, each gets an actor.
        share: files that a machine is handed at a time; 0 for four for each of its CPUs.
        ship: "model", "media" or "model+media": what the machines do not have on a disk.
        wait: seconds for the cluster to answer.

    Raises:
        UsageError: a value makes no sense.
        NotInstalled: Ray is not here.
    """
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise NotInstalled("Ray is not installed", 'pip install "ray>=2.50,<3"') from error
    shipped = frozenset(filter(None, ship.split("+")))
    if shipped - set(_SHIPPED):
        raise UsageError(f"executor 'ray': ship={ship!r}", "model, media or model+media")
    if min(machines, cpus, share) < 0 or gpus < 0 or wait <= 0:
        raise UsageError("executor 'ray': a number below 0")
    from dfsubmit_ray.executor import RayExecutor, Wishes

    return RayExecutor(Wishes(address, machines, cpus, gpus, share, shipped, wait))
