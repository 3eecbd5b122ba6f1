"""Results of `bench` → a Markdown table and a plot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from dfsubmit.drawing import new_figure, png

Result = dict[str, Any]

COLUMNS = (
    "mode", "files/min", "CPU s per file", "× naive loop, wall", "× naive loop, CPU", "cores busy",
    "peak MiB", "labels equal", "largest Δp", "mean IoU", "faces lost",
)  # fmt: skip

STAGES = (
    "mode", "decode", "detect", "classify", "workers CPU", "model CPU", "model waited",
    "workers waited", "frames classified", "left alone",
)  # fmt: skip


def write_report(results: list[Result], baseline: str, out: Path) -> str:
    """Write ``table.md`` and ``ratios.png`` into `out`; the tables' text."""
    names = list(dict.fromkeys(result["mode"] for result in results))
    lines = [
        "| " + " | ".join(COLUMNS) + " |",
        "|---" * len(COLUMNS) + "|",
    ]
    for name in names:
        runs = [result for result in results if result["mode"] == name]
        speed = [60 * len(run["files"]) / run["wall"] for run in runs]
        cpu = [run["cpu"] / len(run["files"]) for run in runs]
        peak = max(run["peak"] for run in runs) / 2**20
        row = [name, spread(speed, 1), spread(cpu, 2)]
        row += [spread(ratios(results, name, baseline, of), 2) for of in ("wall", "cpu")]
        row.append(f"{100 * median(run['busy'] for run in runs):.0f} %")
        row += [f"{peak:.0f}", *_agreement(runs[0], _first(results, baseline))]
        lines.append("| " + " | ".join(row) + " |")
    table = "\n".join([*lines, "", *_stages(results, names)]) + "\n"
    (out / "table.md").write_text(table, encoding="utf-8")
    found = {
        name: (ratios(results, name, baseline, "wall"), ratios(results, name, baseline, "cpu"))
        for name in names
    }
    title = f"speed on {len(results[0]['files'])} files: medians, and the range of the rounds"
    (out / "ratios.png").write_bytes(draw_ratios(found, baseline, title))
    return table


def ratios(results: list[Result], name: str, baseline: str, of: str) -> list[float]:
    """The baseline's cost over the mode's, round by round."""
    cost = {(run["round"], run["mode"]): run[of] for run in results}
    rounds = sorted({run["round"] for run in results})
    return [
        cost[number, baseline] / cost[number, name]
        for number in rounds
        if (number, baseline) in cost and (number, name) in cost
    ]


def overlap(one: list[int], other: list[int]) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0) * max(height, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return common / (areas - common)


def _stages(results: list[Result], names: list[str]) -> list[str]:
    """The medians of where the time goes: stages add up over workers, who share the cores. In
    seconds, but for the last two."""
    keys = ("decode", "detect", "classify", "model_waited", "workers_waited")
    lines = [
        "| " + " | ".join(STAGES) + " |",
        "|---" * len(STAGES) + "|",
    ]
    for name in names:
        runs = [run for run in results if run["mode"] == name and "seconds" in run]
        if not runs:
            continue
        seconds = [median(run["seconds"].get(key, 0.0) for run in runs) for key in keys]
        own = median(run["own_cpu"] for run in runs)
        workers = median(run["cpu"] - run["own_cpu"] for run in runs)
        figures = [*seconds[:3], workers, own, *seconds[3:]]
        row = [name, *(f"{figure:.1f}" for figure in figures)]
        row += [str(runs[0][key]) for key in ("frames_classified", "frames_skipped")]
        lines.append("| " + " | ".join(row) + " |")
    return lines


def _first(results: list[Result], name: str) -> Result | None:
    return next((result for result in results if result["mode"] == name), None)


def _agreement(run: Result, naive: Result | None) -> list[str]:
    """Labels, largest Δp and boxes against the naive loop, whose boxes have no frame numbers: they
    are compared where both found as many. Another model's labels are not compared."""
    if naive is None or run is naive or "frames_classified" not in run or run.get("agreeing"):
        return ["", "", "", ""]
    equal, deltas, overlaps, lost = 0, [], [], 0
    for name, ours in run["files"].items():
        theirs = naive["files"][name]
        if theirs["p_fake"] is None:
            equal += ours["p_fake"] is None
            continue
        equal += ours["label"] == int(theirs["p_fake"] > 0.5)
        if ours["p_fake"] is None:  # an early exit left bounds
            continue
        deltas.append(abs(ours["p_fake"] - theirs["p_fake"]))
        lost += max(len(theirs["boxes"]) - len(ours["boxes"]), 0)
        if len(theirs["boxes"]) == len(ours["boxes"]):
            pairs = zip(ours["boxes"], theirs["boxes"], strict=True)
            overlaps += [overlap(one, other) for one, other in pairs]
    total = len(run["files"])
    return [
        f"{equal}/{total}",
        f"{max(deltas):.1e}" if deltas else "",
        f"{sum(overlaps) / len(overlaps):.3f}" if overlaps else "",
        str(lost) if deltas else "",
    ]


def spread(values: Iterable[float], digits: int) -> str:
    """The median, with the smallest and largest where there are several."""
    found = sorted(values)
    if not found:
        return ""
    text = f"{median(found):.{digits}f}"
    if len(found) > 1:
        text += f" ({found[0]:.{digits}f} to {found[-1]:.{digits}f})"
    return text


def draw_ratios(
    found: Mapping[str, tuple[Sequence[float], Sequence[float]]], baseline: str, title: str
) -> bytes:
    """A PNG of how many times as fast as the baseline each mode is, the slowest first.

    Args:
        found: by mode, its ratios round by round: of wall time, and of CPU time. The bar is their
            median, the whisker reaches from the smallest to the largest.
        baseline: the mode that has 1.
        title: what was measured, on how many files.
    """
    names = sorted((name for name in found if all(found[name])), key=lambda n: median(found[n][0]))
    figure = new_figure("bench", 9, 0.45 * len(names) + 1.6)
    figure.suptitle(title)
    axes = figure.subplots()
    for part, (label, colour) in enumerate((("wall time", "tab:blue"), ("CPU time", "tab:orange"))):
        values = [found[name][part] for name in names]
        middle = [median(rounds) for rounds in values]
        ends = [
            [mid - min(rounds) for mid, rounds in zip(middle, values, strict=True)],
            [max(rounds) - mid for mid, rounds in zip(middle, values, strict=True)],
        ]
        places = [number - 0.2 + 0.4 * part for number in range(len(names))]
        axes.barh(places, middle, 0.38, color=colour, label=label)
        axes.errorbar(
            middle, places, xerr=ends, fmt="none", ecolor="0.3", elinewidth=1, capsize=1.5
        )
        for place, mid, right in zip(places, middle, ends[1], strict=True):
            axes.annotate(
                f"{mid:.1f}",
                (mid + right, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    axes.set_yticks(range(len(names)), [_without_letter(name) for name in names])
    axes.invert_yaxis()
    axes.axvline(1, color="0.6", linewidth=1, linestyle="--")
    axes.margins(x=0.08)
    axes.set_xlabel(f"times as fast as the {_without_letter(baseline)}")
    axes.legend(loc="upper right")
    return png(figure)


def _without_letter(name: str) -> str:
    """A mode's name without the letter by which the tables order the modes."""
    return re.sub(r"^[a-z] ", "", name)
