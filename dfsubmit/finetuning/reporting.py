"""Reporting of every step: none, to TensorBoard files, or to wandb's server.

The callbacks are the Trainer's own. Without ``--report-to`` none is used, whatever is installed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dfsubmit.errors import NotInstalled, UsageError

REPORTERS = ("none", "tensorboard", "wandb")
TENSORBOARD = "tensorboard"
"""The folder in the output that holds TensorBoard's files."""


def need_reporter(name: str) -> None:
    """Raise `NotInstalled` where the package of one of `REPORTERS` is missing."""
    if name != "none" and find_spec(name) is None:
        raise NotInstalled(
            f"'finetune --report-to {name}' needs the package {name!r}, which is not installed.",
            f"pip install {name}",
        )


def log_in(name: str) -> None:
    """Ask for wandb's key where it has none, before anything slow; nothing to do for the others.

    Raises:
        UsageError: there is no key, and no terminal to ask for it.
    """
    if name != "wandb":
        return
    import wandb

    try:
        wandb.login()
    except wandb.Error as error:
        raise UsageError(
            f"--report-to wandb: {error}",
            "run 'wandb login', or set WANDB_API_KEY; WANDB_MODE=offline writes files alone",
        ) from error


def reporters(name: str, output: Path, resumed_at: int) -> list[Any]:
    """The Trainer's callbacks for the first process.

    Args:
        name: one of `REPORTERS`.
        output: the model folder; TensorBoard's files lie in it.
        resumed_at: the step that a resumed fine-tuning goes on from; what an earlier process wrote
            of later steps is hidden, since these come again.
    """
    if name == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        # The Trainer's own folder would go with the checkpoints.
        folder = str(output / TENSORBOARD)
        return [TensorBoardCallback(SummaryWriter(folder, purge_step=resumed_at + 1))]
    if name == "wandb":
        from transformers.integrations import WandbCallback

        return [WandbCallback()]
    return []


def finish(name: str) -> None:
    """Send and close what is still open."""
    if name == "wandb":
        import wandb

        wandb.finish()
