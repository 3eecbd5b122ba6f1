"""Sets the bias of a model's head by its validation faces, so that few real ones are called fake.

    python -m benchmarks.small_model_bias MODEL SHARE FACES...

The mean over the data sets of the share of their real validation faces that are called fake at 0.5
becomes SHARE. MODEL is changed in place; its order of faces, and so its AUC, is not.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file

from benchmarks.small_model_figures import Judge
from dfsubmit.extraction.index import read_index
from dfsubmit.labels import REAL
from dfsubmit.records import FloatArray

BIAS = "classifier.bias"


def shift_for(share: float, reals: list[FloatArray]) -> float:
    """How far to lower the logits of real faces, each array of one data set."""
    steps = np.linspace(-5, 5, 2001)
    called = np.mean([[(own > step).mean() for step in steps] for own in reals], axis=0)
    return float(steps[np.argmax(called <= share)])


def main(model: Path, share: float, folders: list[Path]) -> None:
    """Score, choose, and write the bias."""
    judge = Judge(model)
    paths: dict[str, list[Path]] = defaultdict(list)
    for folder in folders:
        for row in read_index(folder)[0]:
            if row.split == "val" and row.label == REAL:
                paths[row.dataset].append(folder / row.crop)
    p_fake = [np.clip(judge(own), 1e-12, 1 - 1e-12) for own in paths.values()]
    shift = shift_for(share, [np.log(own / (1 - own)) for own in p_fake])
    lower(model, judge.fake, shift)
    print(f"lowered the logit of fake by {shift:.2f} for {share:.0%} of {', '.join(paths)}")


def lower(model: Path, fake: int, shift: float) -> None:
    """Write a bias with which the logit of fake is lower by `shift`."""
    weights = model / "model.safetensors"
    state = load_file(weights)
    bias = state[BIAS].clone()
    bias[fake] -= shift
    state[BIAS] = bias
    save_file(state, weights, metadata={"format": "pt"})


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), [Path(each) for each in sys.argv[3:]])
