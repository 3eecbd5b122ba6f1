"""``dfsubmit compare``: aggregators side by side on cached frame scores, without the model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from dfsubmit.cli.options import debug_option, labels_option, plugin_options

if TYPE_CHECKING:
    from dfsubmit.evaluation.compare import Comparison, Row


def _frame_counts(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...]:
    """``4,8,16`` as numbers, ascending."""
    if value is None:
        return ()
    try:
        counts = sorted({int(part) for part in value.split(",")})
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list such as 4,8,16") from None
    if counts[0] < 1:
        raise click.BadParameter("a file needs at least one frame")
    return tuple(counts)


@click.command("compare")
@click.argument("scores", nargs=-1, required=True)
@labels_option
@click.option(
    "--aggregator", "specs", multiple=True, metavar="SPEC", help="Repeatable. Default: all."
)
@click.option(
    "--frames",
    callback=_frame_counts,
    metavar="N,N,…",
    help="Also thin the cached frames evenly to these numbers: what would fewer frames cost?",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="p_fake above it is fake. Default: the run's own.",
)
@click.option("--samples", default=1000, show_default=True, type=click.IntRange(min=100))
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.option("--csv", "csv_path", metavar="FILE", help="Write the table as CSV.")
@click.option("--plot", "plot_path", metavar="FILE", help="Write a forest plot, ROC, reliability.")
@plugin_options
@debug_option
def command(
    scores: tuple[str, ...],
    labels_path: str,
    specs: tuple[str, ...],
    frames: tuple[int, ...],
    threshold: float | None,
    samples: int,
    seed: int,
    as_json: bool,
    csv_path: str | None,
    plot_path: str | None,
    plugins_dir: tuple[str, ...],
    strict: bool,
) -> None:
    """Compare aggregators on the cached frame scores of one or several runs.

    SCORES are the .scores.jsonl files that `dfsubmit run` writes. Intervals are 95 %, from a
    bootstrap over files (over groups, where the labels name them).
    """
    from dfsubmit.aggregate import DEFAULT_AGGREGATOR
    from dfsubmit.atomic import write_atomically
    from dfsubmit.evaluation.bootstrap import group_numbers
    from dfsubmit.evaluation.cached import read_cached_run
    from dfsubmit.evaluation.compare import compare
    from dfsubmit.evaluation.labels import read_labels
    from dfsubmit.evaluation.tables import jsonable
    from dfsubmit.plugins import load_plugins

    plugins = load_plugins(plugins_dir, strict)
    for info in plugins.failures:
        click.echo(f"warning: the plugin {info.name} does not load: {info.error}", err=True)
    labels = read_labels(labels_path)
    runs = [read_cached_run(path, labels) for path in scores]
    comparison = compare(
        runs,
        [plugins.aggregator(spec) for spec in specs or sorted(plugins.aggregators)],
        plugins.aggregator(DEFAULT_AGGREGATOR),
        group_numbers([row.group for row in labels.values()]),
        frames or (None,),
        threshold,
        samples,
        seed,
        progress=not as_json,
    )
    if as_json:
        click.echo(json.dumps(jsonable(_as_json(comparison)), indent=2))
    else:
        click.echo(_as_text(comparison))
    if csv_path:
        write_atomically(csv_path, _as_csv(comparison))
    if plot_path:
        from dfsubmit.evaluation.plots import comparison_png

        write_atomically(plot_path, comparison_png(comparison))


def _as_json(comparison: Comparison) -> dict[str, Any]:
    return {
        "files": comparison.files,
        "groups": comparison.groups,
        "samples": comparison.samples,
        "runs": [
            {"source": run.name, "failed": run.failed, "unlabelled": run.unlabelled}
            for run in comparison.runs
        ],
        "reference": comparison.reference.aggregator,
        "aggregators": [
            {
                "aggregator": row.aggregator,
                "source": row.source,
                "frames": row.frames,
                "threshold": row.threshold,
                "temperature": row.temperature,
                **row.metrics,
                "ci": row.intervals["macro_f1"],
                "intervals": row.intervals,
                "difference": row.difference,
                "difference_ci": row.difference_interval,
                "mcnemar_p": row.mcnemar_p,
                "changed_labels": row.changed,
                "verdict": comparison.verdict(row),
                "best_threshold": row.best_threshold,
                "cross_validated_macro_f1": row.cross_validated_f1,
                "fallbacks": row.fallbacks,
            }
            for row in comparison.rows
        ],
    }


def _as_csv(comparison: Comparison) -> str:
    from dfsubmit.evaluation.tables import csv_text

    flat = []
    for row in _as_json(comparison)["aggregators"]:
        for name, (low, high) in row.pop("intervals").items():
            row |= {f"{name}_low": low, f"{name}_high": high}
        row.pop("ci")
        low, high = row.pop("difference_ci")
        flat.append(row | {"difference_low": low, "difference_high": high})
    return csv_text(list(flat[0]), [list(row.values()) for row in flat])


def _as_text(comparison: Comparison) -> str:
    from dfsubmit.evaluation.tables import number, text_table

    several, thinned = len(comparison.runs) > 1, comparison.reference.frames is not None

    def key(row: Row) -> list[str]:
        return [
            row.aggregator + (" *" if row.fallbacks else ""),
            *([row.source] if several else []),
            *([str(row.frames)] if thinned else []),
        ]

    keys = ["aggregator", *(["run"] if several else []), *(["frames"] if thinned else [])]
    parts = [_head(comparison)]
    parts.append(
        text_table(
            [*keys, *_HEADLINE_TITLES, "against the mean"],
            [
                [*key(row), *_headline_cells(row), comparison.verdict(row)]
                for row in comparison.rows
            ],
        )
    )
    details = ("precision", "recall", "accuracy", "eer", "average_precision", "log_loss", "brier")
    titles = ["precision", "recall", "accuracy", "EER", "AP", "log loss", "Brier", "ECE"]
    parts.append(
        text_table(
            [*keys, *titles, "threshold", "best threshold", "macro F1 at it, out of fold"],
            [
                [
                    *key(row),
                    *(number(row.metrics[name]) for name in (*details, "ece")),
                    number(row.threshold),
                    number(row.best_threshold),
                    number(row.cross_validated_f1),
                ]
                for row in comparison.rows
            ],
        )
    )
    parts.append(_conclusion(comparison))
    return "\n\n".join(parts)


_HEADLINE_TITLES = ["macro F1", "95 %", "F1 fake", "95 %", "AUC", "95 %"]
_HEADLINE_TITLES += ["minus mean", "95 %", "McNemar p"]


def _headline_cells(row: Row) -> list[str]:
    from dfsubmit.evaluation.tables import number, span

    cells = []
    for name in ("macro_f1", "f1_fake", "auc"):
        cells += [number(row.metrics[name]), span(*row.intervals[name])]
    return [
        *cells,
        number(row.difference, sign=True),
        span(*row.difference_interval, sign=True),
        number(row.mcnemar_p),
    ]


def _head(comparison: Comparison) -> str:
    from dfsubmit.text import printable

    labels = comparison.runs[0].labels
    fakes = int(labels.sum())
    grouped = f" in {comparison.groups} groups" if comparison.groups < len(labels) else ""
    lines = [f"{len(labels)} labelled files ({fakes} fake, {len(labels) - fakes} real){grouped}"]
    for run in comparison.runs:
        name = printable(run.name)
        if run.failed:
            counts = ", ".join(f"{count} {status}" for status, count in sorted(run.failed.items()))
            lines.append(
                f"{name}: {sum(run.failed.values())} failed ({counts}); they count with their "
                "failure label, and not in log loss, Brier and ECE"
            )
        if run.unlabelled:
            lines.append(f"{name}: {run.unlabelled} files have scores but no label: left out")
    return "\n".join(lines)


def _conclusion(comparison: Comparison) -> str:
    """What the table allows one to say, and no more."""
    others = [row for row in comparison.rows if row is not comparison.reference]
    better = [row for row in others if row.direction > 0]
    worse = [row for row in others if row.direction < 0]
    lines = []
    if others:
        lines.append(
            f"Of {len(others)} against {comparison.reference.aggregator}: {len(better)} better, "
            f"{len(worse)} worse, {len(others) - len(better) - len(worse)} not distinguishable on "
            f"{comparison.files} files."
        )
    if len(better) > 1 or (better and len(others) > 5):
        lines.append(
            f"Of {len(others)} comparisons at 95 %, one in twenty looks different by chance alone."
        )
    fallen = sum(row.fallbacks > 0 for row in comparison.rows)
    if fallen:
        lines.append(f"* {fallen} failed on some files, where the mean stood in.")
    return "\n".join(lines)
