"""The measured tables of docs/aggregators.md and docs/validation.md, from the shared media.

    python -m benchmarks.media_figures MEDIA --model models/tiny-vit-demo --work build/figures

MEDIA holds ``manifest.tsv``, ``videos/`` and ``images/``. Runs the model on every file that is
labelled real or fake (edge cases are left out: they repeat other files), compares all installed
aggregators, stresses the model, and writes the tables between the markers of the two documents.
The same command goes on where an interrupted one was. ``--skip-stress`` leaves the second out.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import re
from pathlib import Path

from benchmarks.pages import replace
from dfsubmit.evaluation.cached import read_cached_run
from dfsubmit.evaluation.compare import Comparison, compare
from dfsubmit.evaluation.labels import read_labels
from dfsubmit.evaluation.reports.compare import conclusion
from dfsubmit.evaluation.reports.stress import as_markdown
from dfsubmit.evaluation.reports.tables import markdown_table, number, p_value, span
from dfsubmit.evaluation.stress.stress import stress
from dfsubmit.hooks.loading import load_plugins
from dfsubmit.intervals.groups import group_numbers
from dfsubmit.models.folder import open_model
from dfsubmit.options import RunOptions
from dfsubmit.output.scores import read_meta, scores_path
from dfsubmit.pipeline import run

FRAME_COUNTS = (4, 8, 16, 40)
AGGREGATOR_HEADER = [
    "aggregator",
    "macro F1",
    "95 %",
    "AUC",
    "95 %",
    "minus mean",
    "95 %, all rows",
]
AGGREGATOR_HEADER += ["adjusted p", "verdict", "macro F1 at the best threshold, out of fold"]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("media", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--stress-frames", type=int, default=8)
    parser.add_argument("--skip-stress", action="store_true")
    arguments = parser.parse_args()
    data, labels_path = lay_out(arguments.media, arguments.work)
    options = RunOptions(
        model=arguments.model,
        data=data,
        output=arguments.work / "submission.csv",
        fallback=None,
        max_failures=1.0,
        per_file_timeout=900,  # a busy machine must not change the figures
    )
    if not is_scored(options):
        run(options, print)
    write_comparison(options, labels_path)
    if not arguments.skip_stress:
        write_stress(options, labels_path, arguments.work / "stress", arguments.stress_frames)


def is_scored(options: RunOptions) -> bool:
    """Whether a complete run of this model lies there."""
    meta = read_meta(scores_path(Path(options.output)))
    made_by = meta.get("model", {}).get("sha256")
    return bool(meta.get("complete")) and made_by == open_model(options.model).sha256


def lay_out(media: Path, work: Path) -> tuple[Path, Path]:
    """A flat folder of links to the labelled files, and their labels as CSV."""
    data, labels_path = work / "data", work / "labels.csv"
    data.mkdir(parents=True, exist_ok=True)
    with (
        (media / "manifest.tsv").open(encoding="utf-8", newline="") as manifest,
        labels_path.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["filename", "label", "group", "dataset", "kind"])
        for row in csv.DictReader(manifest, delimiter="\t"):
            path = Path(row["path"])
            if path.parts[0] == "edge" or row["label"] not in ("real", "fake"):
                continue
            link = data / path.name
            if not link.is_symlink():
                link.symlink_to((media / path).resolve())
            dataset = path.name.split("_")[0]
            writer.writerow([path.name, row["label"], group_of(path.stem), dataset, row["kind"]])
    return data, labels_path


def group_of(stem: str) -> str:
    """What ties files together: an FF++ scene, a DFDC clip, a person who appears twice."""
    for pattern in (
        r"(ffpp)_(?:real|fake_[A-Za-z0-9]+)_(\d{3})",
        r"(dfdc)_(?:real|fake)_([a-z]+)",
        r"(fr)_real_(obama)",
        r"(asl)_real_()",
    ):
        if match := re.match(pattern, stem):
            return "-".join(match.groups())
    return stem


def write_comparison(options: RunOptions, labels_path: Path) -> None:
    """docs/aggregators.md: all aggregators on all frames, and the mean on fewer."""
    labels = read_labels(labels_path)
    plugins = load_plugins()
    groups = group_numbers([row.group for row in labels.values()])
    cached = read_cached_run(scores_path(Path(options.output)), labels)
    mean = plugins.aggregator("mean")
    every = [plugins.aggregator(name) for name in sorted(plugins.aggregators)]
    comparison = compare([cached], every, mean, groups, progress=True)
    thinned = compare([cached], [mean], mean, groups, frame_counts=FRAME_COUNTS)
    failed = ", ".join(f"{count} {status}" for status, count in sorted(cached.failed.items()))
    model = open_model(options.model)
    head = (
        f"Model `{model.name}` (SHA-256 {model.sha256[:12]}…), recipe `{model.recipe.name}`, "
        f"{comparison.files} labelled files ({int(cached.labels.sum())} fake) in "
        f"{comparison.groups} groups, {sum(cached.failed.values())} failed ({failed or 'none'})."
    )
    blocks = [head, aggregator_table(comparison), conclusion(comparison)]
    blocks += ["Fewer frames, with the mean:", frames_table(thinned)]
    replace("aggregators.md", "comparison", "\n\n".join(blocks))


def aggregator_table(comparison: Comparison) -> str:
    """A row for each aggregator, best macro F1 first."""
    return markdown_table(
        AGGREGATOR_HEADER,
        [
            [
                row.aggregator,
                number(row.metrics["macro_f1"]),
                span(*row.intervals["macro_f1"]),
                number(row.metrics["auc"]),
                span(*row.intervals["auc"]),
                number(row.difference, sign=True),
                span(*row.difference_interval, sign=True),
                p_value(row.p),
                comparison.verdict(row),
                number(row.cross_validated_f1),
            ]
            for row in comparison.rows
        ],
    )


def frames_table(comparison: Comparison) -> str:
    """A row for each number of frames, fewest first."""
    return markdown_table(
        ["frames", "macro F1", "95 %", "minus all frames", "95 %, all rows", "labels changed"],
        [
            [
                str(row.frames),
                number(row.metrics["macro_f1"]),
                span(*row.intervals["macro_f1"]),
                number(row.difference, sign=True),
                span(*row.difference_interval, sign=True),
                str(row.changed),
            ]
            for row in sorted(comparison.rows, key=lambda row: row.frames or 0)
        ],
    )


def write_stress(options: RunOptions, labels_path: Path, work: Path, frames: int) -> None:
    """docs/validation.md: every variant."""
    options = dataclasses.replace(options, frames=frames)
    report = stress(options, read_labels(labels_path), work, keep_media=True, say=print)
    head = f"Model `{open_model(options.model).name}`, {frames} frames a video."
    replace("validation.md", "stress", head + "\n\n" + as_markdown(report))


if __name__ == "__main__":
    main()
