"""What happens around the steps of a fine-tuning."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dfsubmit.errors import DfsubmitError
from dfsubmit.finetuning.networks.checkpoints import BEST, Checkpoints
from dfsubmit.finetuning.trainer import Conductor


def test_the_best_evaluation_is_kept_and_its_loss_is_noticed(tmp_path: Path) -> None:
    """Or the next evaluation, however bad, would be taken for the best."""
    checkpoints = Checkpoints(tmp_path)
    anything: Any = None
    conductor = Conductor(checkpoints, anything, 5, None, None, 0.0, False)
    history: list[dict[str, float]] = []

    def evaluated(step: int, figure: float) -> int:
        history.append({"step": step, "eval_loss": 0.5})
        state = SimpleNamespace(global_step=step, log_history=history, is_world_process_zero=True)
        figures = {"eval_macro_f1": figure}
        conductor.on_evaluate(None, state, None, metrics=figures, model=torch.nn.Linear(1, 1))
        best = checkpoints.best()
        assert best is not None
        return best.step

    assert [evaluated(5, 0.5), evaluated(10, 0.7), evaluated(15, 0.6)] == [5, 10, 10]
    (tmp_path / BEST).unlink()
    with pytest.raises(DfsubmitError, match=f"{BEST} was removed") as error:
        evaluated(20, 0.4)
    assert "the same command again" in error.value.hint
