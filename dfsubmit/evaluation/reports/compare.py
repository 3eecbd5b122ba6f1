"""A `Comparison` as text, CSV, JSON and PNG."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dfsubmit.console import counted, first_few, paragraph, printable, table
from dfsubmit.drawing import new_figure, plain, png, shortened
from dfsubmit.evaluation.compare import Comparison, Row
from dfsubmit.evaluation.reports.plots import (
    draw_forest,
    draw_reliability,
    draw_roc,
    has_curve,
)
from dfsubmit.evaluation.reports.tables import (
    VERDICT_STYLES,
    WIDER,
    csv_text,
    in_groups,
    in_sample,
    jsonable,
    number,
    p_value,
    span,
)

# Curves of more rules than this cannot be told apart.
_MOST_CURVES = 6


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Plain JSON types, undefined figures as None."""
    result = {
        "files": comparison.files,
        "groups": comparison.groups,
        "samples": comparison.samples,
        "runs": [
            {"source": run.name, "failed": run.failed, "unlabelled": run.unlabelled}
            for run in comparison.runs
        ],
        "reference": comparison.reference.aggregator,
        "choice": None if comparison.choice is None else asdict(comparison.choice),
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
                "adjusted_p": row.p,
                "changed_labels": row.changed,
                "verdict": comparison.verdict(row),
                "best_threshold": row.best_threshold,
                "cross_validated_macro_f1": row.cross_validated_f1,
                "fallbacks": row.fallbacks,
                "in_sample": row.in_sample,
            }
            for row in comparison.rows
        ],
    }
    return dict(jsonable(result))


def as_csv(comparison: Comparison) -> str:
    """One line for each row of the comparison, intervals as two columns."""
    flat = []
    for row in as_json(comparison)["aggregators"]:
        for name, (low, high) in row.pop("intervals").items():
            row |= {f"{name}_low": low, f"{name}_high": high}
        row.pop("ci")
        low, high = row.pop("difference_ci")
        flat.append(row | {"difference_low": low, "difference_high": high})
    return csv_text(list(flat[0]), [list(row.values()) for row in flat])


def as_text(comparison: Comparison, wide: bool = False) -> str:
    """For the terminal: what decides, or with `wide` every figure."""
    several, thinned = len(comparison.runs) > 1, comparison.reference.frames is not None

    def key(row: Row) -> list[str]:
        return [
            row.aggregator + (" *" if row.fallbacks else ""),
            *([row.source] if several else []),
            *([str(row.frames)] if thinned else []),
        ]

    keys = ["aggregator", *(["run"] if several else []), *(["frames"] if thinned else [])]
    rows = comparison.rows
    if not wide:
        short = table(
            [*keys, "macro F1", "95 %", "minus mean", "verdict"],
            [
                [
                    *key(row),
                    number(row.metrics["macro_f1"]),
                    span(*row.intervals["macro_f1"]),
                    number(row.difference, sign=True),
                    comparison.finding(row),
                ]
                for row in rows
            ],
            styles=VERDICT_STYLES,
        )
        parts = [_head(comparison), f"{short}\n{WIDER}", _wrapped(comparison)]
        return "\n\n".join(filter(None, parts))
    headline = table(
        [*keys, *_HEADLINE_TITLES, "against the mean"],
        [[*key(row), *_headline_cells(row), comparison.verdict(row)] for row in rows],
        wide=True,
        styles=VERDICT_STYLES,
    )
    details = ("precision", "recall", "accuracy", "eer", "average_precision", "log_loss", "brier")
    titles = ["precision", "recall", "accuracy", "EER", "AP", "log loss", "Brier", "ECE"]
    rest = table(
        [*keys, *titles, "threshold", "best threshold", "macro F1 at it, out of fold"],
        [
            [
                *key(row),
                *(number(row.metrics[name]) for name in (*details, "ece")),
                number(row.threshold),
                number(row.best_threshold),
                number(row.cross_validated_f1),
            ]
            for row in rows
        ],
        wide=True,
    )
    return "\n\n".join(filter(None, [_head(comparison), headline, rest, _wrapped(comparison)]))


_HEADLINE_TITLES = ["macro F1", "95 %", "F1 fake", "95 %", "AUC", "95 %"]
_HEADLINE_TITLES += ["minus mean", "95 %, all rows", "adjusted p"]


def _headline_cells(row: Row) -> list[str]:
    cells = []
    for name in ("macro_f1", "f1_fake", "auc"):
        cells += [number(row.metrics[name]), span(*row.intervals[name])]
    return [
        *cells,
        number(row.difference, sign=True),
        span(*row.difference_interval, sign=True),
        p_value(row.p),
    ]


def _head(comparison: Comparison) -> str:
    labels = comparison.runs[0].labels
    fakes = int(labels.sum())
    grouped = in_groups(len(labels), comparison.groups)
    files = counted(len(labels), "labelled file")
    lines = [f"{files} ({fakes} fake, {len(labels) - fakes} real){grouped}"]
    for run in comparison.runs:
        name = printable(run.name)
        if run.failed:
            counts = ", ".join(f"{count} {status}" for status, count in sorted(run.failed.items()))
            lines.append(
                f"{name}: {sum(run.failed.values())} failed ({counts}); they count with their "
                "failure label, and not in log loss, Brier and ECE"
            )
        if run.unlabelled:
            lines.append(
                f"{name}: {counted(run.unlabelled, 'file')} with scores but no label: left out"
            )
    return paragraph("\n".join(lines))


def _wrapped(comparison: Comparison) -> str:
    return paragraph(conclusion(comparison))


def conclusion(comparison: Comparison) -> str:
    """What the table allows one to say, and no more."""
    others = [row for row in comparison.rows if row is not comparison.reference]
    better = [row for row in others if row.direction > 0]
    worse = [row for row in others if row.direction < 0]
    lines = []
    if others:
        lines.append(_best(comparison))
        lines.append(
            f"Of {len(others)} against {comparison.reference.aggregator}: {len(better)} better, "
            f"{len(worse)} worse, {len(others) - len(better) - len(worse)} not distinguishable on "
            f"{counted(comparison.files, 'file')} (p is adjusted for all {len(others)})."
        )
    fallen = sum(row.fallbacks > 0 for row in comparison.rows)
    if fallen:
        lines.append(f"* {fallen} failed on some files, where the mean stood in.")
    fitted = [row for row in comparison.rows if row.in_sample]
    if fitted:
        most = max(row.in_sample for row in fitted)
        lines.append(f"{fitted[0].aggregator}: {in_sample(most, comparison.files)}")
    return "\n".join(lines)


def _best(comparison: Comparison) -> str:
    """The best row's figure, and what choosing it is worth."""
    best, choice = comparison.rows[0], comparison.choice
    text = (
        f"The best, {best.aggregator} with {number(best.metrics['macro_f1'])}, was chosen among "
        f"{len(comparison.rows)} on these files"
    )
    if choice is None:
        return f"{text}; there are too few groups to say what that choice is worth."
    return (
        f"{text}. Chosen on four fifths of the groups and judged on the others, macro F1 is "
        f"{number(choice.macro_f1)} {span(*choice.interval)}, "
        f"{number(choice.difference, sign=True)} {span(*choice.difference_interval, sign=True)} "
        f"against {comparison.reference.aggregator}."
    )


def as_png(comparison: Comparison) -> bytes:
    """A forest plot of macro F1, ROC curves and reliability of the best rows and the reference."""
    rows, reference = comparison.rows, comparison.reference
    chosen = rows[:_MOST_CURVES]
    if reference not in chosen:
        chosen = [*chosen[:-1], reference]
    curves = {
        _name(comparison, row): row.predictions for row in chosen if has_curve(row.predictions)
    }
    scored = any(item.scored.any() for item in curves.values())
    widths = [1.4, *([1.0] if curves else []), *([1.0] if scored else [])]
    figure = new_figure("compare", 4.6 * sum(widths), max(5.2, 1.8 + 0.28 * len(rows)))
    figure.suptitle(_plot_title(comparison))
    forest, *others = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    draw_forest(
        forest,
        [_name(comparison, row) for row in rows],
        [row.metrics["macro_f1"] for row in rows],
        [row.intervals["macro_f1"] for row in rows],
        reference.metrics["macro_f1"],
        line=f"reference: {plain(_name(comparison, reference))}",
    )
    if curves:
        draw_roc(others[0], curves)
    if scored:
        draw_reliability(others[1], curves)
    return png(figure)


def _plot_title(comparison: Comparison) -> str:
    labels = comparison.runs[0].labels
    fakes = int(labels.sum())
    names = []
    for run in comparison.runs:
        model = run.meta.get("model", {}).get("name", "")
        names.append(
            shortened(run.name, 40) + (f" (model {shortened(model, 40)})" if model else "")
        )
    runs = plain(first_few(names, 2))
    return f"{runs}\n{len(labels)} files ({fakes} fake, {len(labels) - fakes} real)"


def _name(comparison: Comparison, row: Row) -> str:
    name = row.aggregator
    if len(comparison.runs) > 1:
        name = f"{shortened(row.source, 24)}: {name}"
    return name if row.frames is None else f"{name}, {counted(row.frames, 'frame')}"
