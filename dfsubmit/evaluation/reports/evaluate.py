"""An `Evaluation` as text, Markdown, JSON and PNG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dfsubmit.console import counted, paragraph, printable, table
from dfsubmit.drawing import new_figure, plain, png, shortened
from dfsubmit.evaluation.evaluate import PART_METRICS, Evaluation, Measured
from dfsubmit.evaluation.reports import forecast as forecast_report
from dfsubmit.evaluation.reports import mistakes as mistakes_report
from dfsubmit.evaluation.reports.plots import (
    draw_confusion,
    draw_forest,
    draw_reliability,
    draw_roc,
    has_curve,
)
from dfsubmit.evaluation.reports.tables import (
    WIDER,
    in_groups,
    in_sample,
    jsonable,
    markdown,
    markdown_table,
    number,
    span,
)
from dfsubmit.intervals.groups import few_groups
from dfsubmit.intervals.quantiles import UNKNOWN
from dfsubmit.metrics import TITLES

Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]


def as_text(evaluation: Evaluation, wide: bool = False) -> str:
    """For the terminal: of each part what ranks it, or with `wide` every figure."""

    def drawn(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
        return table(header, rows, wide=wide)

    shown = PART_METRICS if wide else PART_METRICS[:1]
    text = _document(evaluation, drawn, lambda title: title + ":", printable, paragraph, shown)
    return f"{text}\n{WIDER}" if evaluation.parts and not wide else text


def as_markdown(evaluation: Evaluation) -> str:
    """For reading later."""
    title = f"# Evaluation of {markdown(evaluation.source)}\n\n"
    return title + _document(evaluation, markdown_table, lambda text: f"## {text}", markdown) + "\n"


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Plain JSON types, undefined figures as None."""

    def measured(part: Measured) -> dict[str, Any]:
        return {
            "files": part.files,
            "fakes": part.fakes,
            "groups": part.groups,
            **part.metrics,
            "intervals": part.intervals,
        }

    result = {
        "source": evaluation.source,
        "failed": evaluation.failed,
        "in_sample": evaluation.in_sample,
        "confusion": evaluation.confusion,
        "forecast": forecast_report.as_json(evaluation.forecast),
        "errors": mistakes_report.as_json(evaluation.mistakes),
        **measured(evaluation.overall),
        "parts": {
            column: [{"value": part.name, **measured(part)} for part in parts]
            for column, parts in evaluation.parts.items()
        },
    }
    return dict(jsonable(result))


def as_png(evaluation: Evaluation) -> bytes:
    """Confusion matrix, ROC and reliability, and a forest plot for each column of the labels;
    without what cannot be drawn: labels alone have neither ROC nor reliability."""
    rank, predictions = PART_METRICS[0], evaluation.predictions
    forests = {
        column: parts
        for column, parts in evaluation.parts.items()
        if not all(math.isnan(part.metrics[rank]) for part in parts)
    }
    curves = {shortened(evaluation.source, 24): predictions}
    panels: list[Callable[[Any], None]] = [lambda axis: draw_confusion(axis, evaluation.confusion)]
    if has_curve(predictions):
        panels.append(lambda axis: draw_roc(axis, curves))
    if predictions.p_fake is not None and predictions.scored.any():
        panels.append(lambda axis: draw_reliability(axis, curves))
    ratios = [4.2, *(0.3 * len(parts) + 0.9 for parts in forests.values())]
    wide = 3 if forests else len(panels)
    figure = new_figure("evaluate", max(6.0, 4.4 * wide), sum(ratios) + 0.5)
    figure.suptitle(_plot_title(evaluation))
    top, *below = figure.subfigures(len(ratios), 1, height_ratios=ratios, squeeze=False)[:, 0]
    for axis, draw in zip(top.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        draw(axis)
    for part_of_figure, (column, parts) in zip(below, forests.items(), strict=True):
        draw_forest(
            part_of_figure.subplots(),
            [f"{shortened(f'{column} = {part.name}', 48)} (n={part.files})" for part in parts],
            [part.metrics[rank] for part in parts],
            [part.intervals[rank] for part in parts],
            evaluation.overall.metrics[rank],
            "balanced accuracy",
            "all files",
        )
    return png(figure)


def _plot_title(evaluation: Evaluation) -> str:
    overall = evaluation.overall
    model = f", model {plain(shortened(evaluation.model, 48))}" if evaluation.model else ""
    return (
        f"{plain(shortened(evaluation.source, 48))}{model}\n{overall.files} files "
        f"({overall.fakes} fake, {overall.files - overall.fakes} real)"
    )


def _document(
    evaluation: Evaluation,
    table: Table,
    title: Callable[[str], str],
    show: Callable[[str], str],
    wrapped: Callable[[str], str] = str,
    part_metrics: Sequence[str] = PART_METRICS,
) -> str:
    overall = evaluation.overall
    head = (
        f"{show(evaluation.source)}: {counted(overall.files, 'file')} "
        f"({overall.fakes} fake, {overall.files - overall.fakes} real)"
        f"{in_groups(overall.files, overall.groups)}."
    )
    if evaluation.failed:
        counts = ", ".join(f"{n} {status}" for status, n in sorted(evaluation.failed.items()))
        head += (
            f" {sum(evaluation.failed.values())} failed ({show(counts)}): they count with their"
            " failure label, and not in log loss, Brier and ECE."
        )
    if evaluation.predictions.p_fake is None:
        head += " There are labels alone, so whatever needs probabilities is undefined."
    if evaluation.in_sample:
        head += " " + in_sample(evaluation.in_sample, overall.files)
    cells = [
        [TITLES[name], number(value), span(*overall.intervals.get(name, UNKNOWN))]
        for name, value in overall.metrics.items()
    ]
    real, fake = evaluation.confusion
    blocks = [
        wrapped(head),
        table(["metric", "value", "95 %"], cells),
        title("Confusion matrix"),
        table(
            ["true label", "predicted real", "predicted fake"],
            [["real", *map(str, real)], ["fake", *map(str, fake)]],
        ),
    ]
    if evaluation.forecast is not None:
        blocks += [
            title("Forecast"),
            wrapped(forecast_report.headline(evaluation.forecast)),
            wrapped(forecast_report.rates(evaluation.forecast)),
            table(forecast_report.HEADER, forecast_report.rows(evaluation.forecast)),
        ]
    if evaluation.mistakes is not None:
        for heading, rows in mistakes_report.sections(evaluation.mistakes):
            blocks += [title(heading), table(mistakes_report.HEADER, rows)]
        advice = [f"- {line}" for line in mistakes_report.advice(evaluation.mistakes)]
        blocks += [title("What to try"), wrapped("\n".join(advice))] if advice else []
    for column, parts in evaluation.parts.items():
        header = [
            *_PART_HEADER,
            *(cell for name in part_metrics for cell in (TITLES[name], "95 %")),
        ]
        rows = _part_rows(parts, part_metrics)
        blocks += [title(f"By {show(column)}, worst first"), table(header, rows)]
    if evaluation.left_out:
        names = ", ".join(show(name) for name in evaluation.left_out)
        blocks.append(wrapped(f"Not broken down by {names}: too many values."))
    return "\n\n".join(blocks)


_PART_HEADER = ["value", "files", "fake", "groups"]


def _part_rows(parts: Iterable[Measured], metrics: Sequence[str]) -> list[list[str]]:
    return [
        [part.name, str(part.files), str(part.fakes), few_groups(part.groups) or str(part.groups)]
        + [
            cell
            for name in metrics
            for cell in (number(part.metrics[name]), span(*part.intervals[name]))
        ]
        for part in parts
    ]
