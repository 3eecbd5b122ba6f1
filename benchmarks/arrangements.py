"""Workers and threads: how the cores are best shared between decoding, detection and the model.

    python -m benchmarks.arrangements RESULTS [--files 4] [--rounds 2]

RESULTS is the folder of a `benchmarks.bench` run: some of its media, and its model, are taken. Each
arrangement is run once a round, in turn.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import Cost, measure


@dataclass(frozen=True)
class Arrangement:
    """One way to share the cores.

    Attributes:
        loader: whose threads the model runs in.
        workers: processes that decode and detect.
        threads: of torch's model; 0 takes every core.
        batch: faces a forward pass.
    """

    loader: str
    workers: int
    threads: int = 0
    batch: int = 8


ARRANGEMENTS = (
    *(Arrangement("huggingface", workers) for workers in (1, 2, 3)),
    Arrangement("huggingface", 2, threads=1),
    Arrangement("huggingface", 2, batch=32),
    *(Arrangement("openvino", workers) for workers in (1, 2, 3)),
    Arrangement("openvino", 2, batch=1),
    Arrangement("openvino", 2, batch=32),
)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arrangements")
    parser.add_argument("results", type=Path, help="--out of benchmarks.bench")
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    costs: dict[Arrangement, list[Cost]] = {each: [] for each in ARRANGEMENTS}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "data").mkdir()
        for path in sorted((options.results / "media").iterdir())[: options.files]:
            shutil.copy(path, folder / "data")
        command = [sys.executable, "-m", "dfsubmit", "run", str(folder / "data")]
        command += ["--model", str(options.results / "model"), "--no-fallback", "--no-resume"]
        command += ["--output", str(folder / "s.csv"), "--precision", "fp32"]
        for _ in range(options.rounds):
            for each, found in costs.items():
                extra = ["--loader", each.loader, "--workers", str(each.workers)]
                extra += ["--batch-size", str(each.batch)]
                environment = {"OMP_NUM_THREADS": str(each.threads)} if each.threads else {}
                found.append(measure([*command, *extra], folder / "log.txt", environment))
    print("| loader | workers | model's threads | batch | wall s | CPU s | cores busy |")
    print("|---|---|---|---|---|---|---|")
    for each, found in costs.items():
        walls = sorted(cost.wall for cost in found)
        spread = f"{median(walls):.1f} ({walls[0]:.1f} to {walls[-1]:.1f})"
        cpu, busy = (median(getattr(cost, of) for cost in found) for of in ("cpu", "busy"))
        names = f"{each.loader} | {each.workers} | {each.threads or 'all'} | {each.batch}"
        print(f"| {names} | {spread} | {cpu:.1f} | {100 * busy:.0f} % |")


if __name__ == "__main__":
    main()
