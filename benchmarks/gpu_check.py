"""``make gpu-check``: what this project does on a GPU, in at most nine minutes, on one page.

    python -m benchmarks.gpu_check --out DIR [--media DIR] [--clips 48] [--seconds 540]

It needs no network and no model: the weights are made on the spot. Every part runs even if others
fail, and what it found is written as soon as it has ended: DIR/gpu-check.json and DIR/gpu-check.md.
`--device cpu --size tiny` tries the check itself out on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.card import describe
from benchmarks.gpu.learning import learning
from benchmarks.gpu.memory import memory
from benchmarks.gpu.onnx import onnx
from benchmarks.gpu.page import page
from benchmarks.gpu.parity import compiled, parity
from benchmarks.gpu.runs import killed, together, workers

Part = Callable[[Bench], Any]

PARTS: dict[str, tuple[float, Part]] = {
    "The card's arithmetic against the CPU's": (20, parity),
    "Out of memory": (20, memory),
    "A run that is killed and begun again": (30, killed),
    "Runs: workers, batches, precision": (40, workers),
    "Fine-tuning": (40, learning),
    "Two runs on one card": (40, together),
    "ONNX Runtime": (20, onnx),
    "torch.compile": (30, compiled),
}
"""Title → the seconds without which a part is not begun, and the part. What matters most first."""


def check(bench: Bench, parts: Mapping[str, tuple[float, Part]]) -> dict[str, Any]:
    """Run the parts in turn; what each found, or why it found nothing."""
    results: dict[str, Any] = {"Machine": describe(bench.device)}
    for title, (seconds, part) in parts.items():
        started = time.monotonic()
        if bench.left() < seconds:
            results[title] = f"Left out: {bench.left():.0f} s were left."
        else:
            try:
                results[title] = part(bench)
            except Exception as error:  # the other parts are worth having all the same
                traceback.print_exc()
                results[title] = f"**Failed**: {type(error).__name__}: {error}"
        print(f"{title}: {time.monotonic() - started:.0f} s", flush=True)
        write(bench.out, results)
    return results


def write(out: Path, results: dict[str, Any]) -> None:
    """Both files."""
    (out / "gpu-check.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / "gpu-check.md").write_text(page(results), encoding="utf-8")


def main() -> None:
    """Make the media and the model, run everything."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check")
    parser.add_argument("--out", type=Path, default=Path("gpu-check"))
    parser.add_argument("--media", type=Path, help="a folder of .mp4 videos with faces")
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--seconds", type=float, default=540)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--size", choices=["base", "tiny"], default="base", help="of the model")
    options = parser.parse_args()
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        parser.exit(1, "torch finds no CUDA device: see nvidia-smi, and torch.version.cuda\n")
    shutil.rmtree(options.out, ignore_errors=True)
    bench = Bench(options.device, options.out, options.clips, started + options.seconds)
    bench.prepare(options.media, options.size)
    check(bench, PARTS)
    print((options.out / "gpu-check.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
