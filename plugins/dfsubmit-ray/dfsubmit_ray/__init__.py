"""An executor for several machines, through Ray: ``--executor ray:machines=3``.

In: a job and its files. Out: results as they are finished. One actor per machine (or per GPU) runs
dfsubmit's local executor on a few files at a time.
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
        address: "auto" for the cluster that this machine belongs to, or ``host:port``.
        machines: the number of machines; 0 for all.
        cpus: CPUs of each actor, as Ray counts them; 0: a machine's actors share all its CPUs.
        gpus: GPUs of each actor: a fraction of one, or a whole number; 0 for no GPU. A machine gets
            as many actors as its GPUs allow.
        share: the number of files that an actor gets at a time; 0 for four per CPU.
        ship: "model", "media" or "model+media": what is sent because the machines do not have it.
        wait: seconds to wait for the cluster.

    Raises:
        UsageError: a value is not allowed.
        NotInstalled: Ray is not installed.
    """
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise NotInstalled("Ray is not installed", 'pip install "ray>=2.50,<3"') from error
    shipped = frozenset(filter(None, ship.split("+")))
    if shipped - set(_SHIPPED):
        raise UsageError(f"executor 'ray': ship={ship!r}", "model, media or model+media")
    if min(machines, cpus, share) < 0 or gpus < 0 or wait <= 0:
        raise UsageError("executor 'ray': a number below 0, or wait=0")
    if gpus > 1 and gpus != int(gpus):
        raise UsageError(f"executor 'ray': gpus={gpus:g}", "a fraction of one GPU, or whole GPUs")
    from dfsubmit_ray.actors import Wishes
    from dfsubmit_ray.executor import RayExecutor

    return RayExecutor(Wishes(address, machines, cpus, gpus, share, shipped, wait))
