"""How far the quicker ways to run agree with the exact one, with a model that has learned.

    python -m benchmarks.agreement MEDIA --model models/tiny-vit-demo --work build/agreement

MEDIA is a folder of videos. The exact run is torch in fp32 with the model's own recipe; each other
run differs in one thing. Prints a Markdown table: equal labels, |Δp| of files, overlap of boxes in
the frames in which both found a face, and faces found by only one of the two.
"""

from __future__ import annotations

import argparse
import dataclasses
from importlib.util import find_spec
from pathlib import Path
from statistics import mean

from benchmarks.report import overlap
from dfsubmit.options import RunOptions
from dfsubmit.pipeline import run
from dfsubmit.recipe import Recipe, load_recipe
from dfsubmit.records import FileResult

# Name, loader, precision, tracked or not, and a module without which it is left out.
RUNS = (
    ("torch bf16", "huggingface", "bf16", False, "torch"),
    ("OpenVINO fp32", "openvino", "fp32", False, "dfsubmit_openvino"),
    ("OpenVINO bf16", "openvino", "bf16", False, "dfsubmit_openvino"),
    ("OpenVINO int8", "openvino", "int8", False, "nncf"),
    ("OpenVINO cascade", "openvino", "cascade", False, "nncf"),
    ("fast, torch fp32", "huggingface", "fp32", True, "torch"),
    ("fast, OpenVINO bf16", "openvino", "bf16", True, "dfsubmit_openvino"),
    ("fast, OpenVINO int8", "openvino", "int8", True, "nncf"),
)


def tracked(recipe: Recipe) -> Recipe:
    """The recipe with `dfsubmit-fast`'s detection, and nothing else of it."""
    fast = load_recipe("dfsubmit-fast")
    return dataclasses.replace(recipe, name=f"{recipe.name}-fast", tracking=fast.tracking)


def compare(ours: list[FileResult], exact: list[FileResult]) -> str:
    """The cells of one line."""
    deltas, overlaps, lost, gained, equal = [], [], 0, 0, 0
    for mine, other in zip(ours, exact, strict=True):
        equal += mine.label == other.label
        if mine.p_fake is not None and other.p_fake is not None:
            deltas.append(abs(mine.p_fake - other.p_fake))
        boxes = {frame.index: frame.box for frame in mine.frames}
        others = {frame.index: frame.box for frame in other.frames}
        lost += len(others.keys() - boxes.keys())
        gained += len(boxes.keys() - others.keys())
        overlaps += [overlap([*boxes[i]], [*others[i]]) for i in boxes.keys() & others.keys()]
    overlaps.sort()
    figures = [f"{equal} of {len(exact)}", f"{mean(deltas):.1e}", f"{max(deltas):.1e}"]
    figures += [f"{mean(overlaps):.3f}", f"{overlaps[len(overlaps) // 10]:.3f}"]
    return " | ".join([*figures, str(lost), str(gained)])


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement")
    parser.add_argument("media", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    exact = RunOptions(
        model=arguments.model,
        data=arguments.media,
        output=arguments.work / "exact.csv",
        loader="huggingface",
        precision="fp32",
        fallback=None,
        max_failures=1.0,
        per_file_timeout=900,
    )
    reference = run(exact).results
    print(
        "| run | labels equal | mean \\|Δp\\| | largest | mean IoU | 10th percentile "
        "| faces lost | found in addition |\n|---|---|---|---|---|---|---|---|"
    )
    for name, loader, precision, fast, needs in RUNS:
        if find_spec(needs) is None:
            continue
        options = dataclasses.replace(
            exact,
            output=arguments.work / f"{name.replace(' ', '-')}.csv",
            loader=loader,
            precision=precision,
            recipe=tracked(load_recipe(arguments.model)) if fast else None,
        )
        print(f"| {name} | {compare(run(options).results, reference)} |", flush=True)


if __name__ == "__main__":
    main()
