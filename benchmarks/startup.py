"""Start-up: ``dfsubmit run`` on one picture beside a script that only loads the same model.

python -m benchmarks.startup [--rounds 5] [--loader huggingface]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from PIL import Image

from benchmarks.measure import Cost, measure
from benchmarks.scaling import photograph
from dfsubmit.samples import make_untrained_model

LOAD = (
    "import sys, torch, transformers\n"
    "transformers.AutoModelForImageClassification.from_pretrained(sys.argv[1]).eval()\n"
)


def main() -> None:
    """Print both and their ratio, round by round."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loader", default="huggingface")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = make_untrained_model(folder / "model", size="base")
        (folder / "data").mkdir()
        Image.fromarray(photograph()).save(folder / "data" / "picture.jpg")
        load = [sys.executable, "-c", LOAD, str(model)]
        run = [sys.executable, "-m", "dfsubmit", "run", str(folder / "data"), "--model", str(model)]
        run += ["--output", str(folder / "s.csv"), "--no-resume", "--no-fallback"]
        run += ["--loader", options.loader]
        for command in (load, run):  # the page cache, and a converter's own cache
            measure(command, folder / "log.txt")
        pairs: list[tuple[Cost, Cost]] = []
        print(
            "| round | load only, wall s | run, wall s | ratio | CPU ratio |\n|---|---|---|---|---|"
        )
        for number in range(options.rounds):
            alone = measure(load, folder / "log.txt")
            whole = measure(run, folder / "log.txt")
            pairs.append((alone, whole))
            ratios = f"{whole.wall / alone.wall:.2f} | {whole.cpu / alone.cpu:.2f}"
            print(f"| {number + 1} | {alone.wall:.2f} | {whole.wall:.2f} | {ratios} |", flush=True)
        wall = median(whole.wall / alone.wall for alone, whole in pairs)
        cpu = median(whole.cpu / alone.cpu for alone, whole in pairs)
        print(f"| median | | | {wall:.2f} | {cpu:.2f} |")


if __name__ == "__main__":
    main()
