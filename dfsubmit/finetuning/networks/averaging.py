"""The moving average of a model's weights.

Polyak and Juditsky (SIAM J. Control Optim. 1992); in the exponential form of Tarvainen and Valpola,
"Mean teachers" (NeurIPS 2017). The average sees less of the last batches' noise and usually
generalises better. One model comes out: the average.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


class WeightAverage:
    """The average of a model's parameters and running statistics.

    Args:
        model: whose weights, taken as they are now for the first value.
        decay: of one step, in (0, 1); smaller in the first steps, min(decay, (1 + t) / (10 + t)),
            so that the random start is soon forgotten.
    """

    def __init__(self, model: Any, decay: float) -> None:
        self.decay = decay
        self.values = {
            name: value.detach().clone()
            for name, value in model.state_dict().items()
            if value.is_floating_point()
        }

    def update(self, model: Any, step: int) -> None:
        """Update the average with the weights after optimiser step `step`, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        state = model.state_dict()  # detached: no gradient is recorded
        for name, value in self.values.items():
            value.lerp_(state[name], 1 - decay)

    @contextmanager
    def applied(self, model: Any) -> Iterator[None]:
        """A context in which the model has the average's weights."""
        state = model.state_dict()
        own = {name: state[name].clone() for name in self.values}
        try:
            self._put(model, self.values)
            yield
        finally:
            self._put(model, own)

    def _put(self, model: Any, values: dict[str, torch.Tensor]) -> None:
        state = model.state_dict()
        for name, value in values.items():
            state[name].copy_(value)

    def save(self, path: Path) -> None:
        """Write the average as safetensors."""
        from safetensors.torch import save_file

        save_file({name: value.contiguous() for name, value in self.values.items()}, path)

    def load(self, path: Path) -> None:
        """Load a saved average."""
        from safetensors.torch import load_file

        for name, value in load_file(path).items():
            self.values[name].copy_(value)
