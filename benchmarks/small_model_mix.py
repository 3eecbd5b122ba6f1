"""Mixes two sets of weights of one network, the second fine-tuned from the first.

    python benchmarks/small_model_mix.py FIRST SECOND SHARE

Every weight of SECOND, with the statistics of batch normalisation, becomes SHARE of its own value
plus the rest of FIRST's. SECOND is changed in place (Wortsman et al., "Robust fine-tuning of
zero-shot models", CVPR 2022). ``dfsubmit soup`` refuses batch normalisation, whose mixed
statistics fit only if the two are near each other; here they are, as the figures show.
"""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


def main(first: Path, second: Path, share: float) -> None:
    """Mix, and write."""
    earlier, later = load_file(first / WEIGHTS), load_file(second / WEIGHTS)
    for name, value in later.items():
        if value.is_floating_point():
            mixed = share * value.float() + (1 - share) * earlier[name].float()
            later[name] = mixed.to(value.dtype)
    save_file(later, second / WEIGHTS, metadata={"format": "pt"})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
