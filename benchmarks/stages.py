"""The lower bound: each stage of a run alone, with nothing in its way.

    python -m benchmarks.stages RESULTS

RESULTS is the folder of a `benchmarks.bench` run: its media, its model and its timings are taken.
Decoding and detection are timed in one thread, in CPU seconds, and can at best be spread over all
cores; the model is timed with all cores, on full batches of the files' own faces. A run can be no
quicker than the sum of the two: the table says how near each mode of the benchmark comes to that,
its start-up (Python, torch, the weights) included and left out.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.bench import MODES
from dfsubmit.faces.preprocess import load_preprocessor
from dfsubmit.faces.scan import Scanner
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.hooks import NeedsFaces
from dfsubmit.hooks.loading import load_plugins
from dfsubmit.machine import available_cpus
from dfsubmit.media.listing import list_media
from dfsubmit.models.choice import choose_model
from dfsubmit.options import RunOptions
from dfsubmit.recipe import load_recipe
from dfsubmit.records import Face, Pixels
from dfsubmit.scoring.classifier import Classifier

ROUNDS = 3


def options_of(mode: str, model: Path) -> RunOptions:
    """The run options that a mode's command line stands for."""
    words = list(MODES[mode].options)
    named = {words[i].removeprefix("--"): words[i + 1] for i in range(0, len(words) - 1, 2)}
    return RunOptions(
        model=model,
        loader=named.get("loader"),
        precision=named.get("precision", "auto"),
        recipe=named.get("recipe"),
        fallback=None,
    )


@functools.cache
def scan_seconds(media: Path, model: Path, recipe: str) -> tuple[float, float, Pixels]:
    """CPU seconds of decoding all files in this thread, once, those of detecting (with cropping
    and resizing), and the faces."""
    scanner = Scanner(ScanSettings(load_recipe(recipe), load_preprocessor(model)))
    faces: list[Face] = []
    started, decoding, detecting = time.thread_time(), 0.0, 0.0
    for file in list_media(media):
        seconds = scanner.scan(file, faces.append).seconds
        decoding, detecting = decoding + seconds["decode"], detecting + seconds["detect"]
    # The scanner's own clock runs while others have the core: it only divides the CPU time.
    share = decoding / (decoding + detecting)
    spent = time.thread_time() - started
    return share * spent, (1 - share) * spent, np.stack([face.crop for face in faces])


def faces_per_second(options: RunOptions, faces: Pixels) -> float:
    """Of the model alone, with all cores."""
    chosen = choose_model(options, load_plugins())
    if isinstance(chosen.model, NeedsFaces) and chosen.model.faces_wanted:
        chosen.model.see(faces[: chosen.model.faces_wanted])
    classifier = Classifier(chosen.model, chosen.fake_index, chosen.batch_size)
    batches = [faces[i : i + chosen.batch_size] for i in range(0, len(faces), chosen.batch_size)]
    classifier.p_fake(batches[0])
    rates = []
    for _ in range(ROUNDS):
        part = batches[: max(1, 64 // chosen.batch_size)]
        started = time.perf_counter()
        for batch in part:
            classifier.p_fake(batch)
        rates.append(sum(map(len, part)) / (time.perf_counter() - started))
    return median(rates)


def lower_bound(mode: str, out: Path, results: list[dict[str, Any]]) -> str:
    """One line of the table."""
    options = options_of(mode, out / "model")
    runs = [result for result in results if result["mode"] == mode]
    decoding, detecting, faces = scan_seconds(
        out / "media", out / "model", str(options.recipe or "dfsubmit")
    )
    rate = faces_per_second(options, faces)
    bound = (decoding + detecting) / available_cpus() + len(faces) / rate
    wall = median(run["wall"] for run in runs)
    inside = median(run["seconds"]["total"] - run["seconds"]["load"] for run in runs)
    figures = [f"{decoding:.1f}", f"{detecting:.1f}", f"{rate:.1f}", f"{bound:.1f}", f"{wall:.1f}"]
    figures += [f"{100 * bound / wall:.0f} %", f"{100 * bound / inside:.0f} %"]
    return f"| {mode} | " + " | ".join(figures) + " |"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages")
    parser.add_argument("results", type=Path, help="--out of benchmarks.bench")
    out = parser.parse_args().results
    results = json.loads((out / "results.json").read_text())
    print("| mode | decode | detect | faces/s | bound s | run s | bound ÷ run | without start |")
    print("|---|---|---|---|---|---|---|---|")
    for mode in dict.fromkeys(result["mode"] for result in results):
        # Early exit does less than all stages: it has no such bound.
        if not MODES[mode].module and "--early-exit" not in MODES[mode].options:
            print(lower_bound(mode, out, results), flush=True)


if __name__ == "__main__":
    main()
