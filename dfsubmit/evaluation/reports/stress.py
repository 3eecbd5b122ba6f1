"""A `StressReport` as text, Markdown, JSON and PNG."""

from __future__ import annotations

from typing import Any

import numpy as np

from dfsubmit.console import counted, paragraph, table
from dfsubmit.drawing import new_figure, png
from dfsubmit.evaluation.reports.plots import draw_forest
from dfsubmit.evaluation.reports.tables import (
    VERDICT_STYLES,
    WIDER,
    in_groups,
    jsonable,
    markdown_table,
    number,
    p_value,
    span,
)
from dfsubmit.evaluation.statistics.swaps import LEVEL, UNDECIDED
from dfsubmit.evaluation.stress.stress import Stressed, StressReport


def as_json(report: StressReport) -> dict[str, Any]:
    """Plain JSON types, undefined figures as None."""

    def plain(row: Stressed) -> dict[str, Any]:
        return {
            "variant": row.variant,
            **row.metrics,
            "ci": row.intervals["macro_f1"],
            "intervals": row.intervals,
            "fall": row.fall,
            "fall_ci": row.fall_interval,
            "adjusted_p": row.p,
            "face_rate": row.face_rate,
            "frame_face_rate": row.frame_face_rate,
            "failed": row.failed,
        }

    result = {
        "files": report.files,
        "fakes": report.fakes,
        "groups": report.groups,
        "unlabelled": report.unlabelled,
        "fall": report.fall,
        "clean": plain(report.clean),
        "variants": [plain(row) for row in report.variants],
    }
    return dict(jsonable(result))


_HEADER = ["variant", "macro F1", "95 %", "fall", "95 %, all rows", "adjusted p"]
_HEADER += ["AUC", "95 %", "recall", "files with a face", "frames with a face", "failed"]


def _rows(report: StressReport) -> list[list[str]]:
    return [
        [
            row.variant,
            number(row.metrics["macro_f1"]),
            span(*row.intervals["macro_f1"]),
            number(row.fall, sign=True),
            span(*row.fall_interval, sign=True),
            p_value(row.p),
            number(row.metrics["auc"]),
            span(*row.intervals["auc"]),
            number(row.metrics["recall"]),
            f"{row.face_rate:.1%}",
            f"{row.frame_face_rate:.1%}",
            str(row.failed),
        ]
        for row in (*report.variants, report.clean)
    ]


_SHORT_HEADER = ["variant", "macro F1", "95 %", "fall", "with a face", "verdict"]


def _short_rows(report: StressReport) -> list[list[str]]:
    return [
        [
            row.variant,
            number(row.metrics["macro_f1"]),
            span(*row.intervals["macro_f1"]),
            number(row.fall, sign=True),
            f"{row.face_rate:.1%}",
            _verdict(row, report),
        ]
        for row in (*report.variants, report.clean)
    ]


def _verdict(row: Stressed, report: StressReport) -> str:
    if row is report.clean:
        return "reference"
    if row.p > LEVEL:
        return UNDECIDED
    return "worse" if row.fall > 0 else "better"


def as_text(report: StressReport, wide: bool = False) -> str:
    """For the terminal: what decides, or with `wide` every figure."""
    if wide:
        figures = table(_HEADER, _rows(report), wide=True)
    else:
        short = table(_SHORT_HEADER, _short_rows(report), styles=VERDICT_STYLES)
        figures = f"{short}\n{WIDER}"
    return "\n\n".join([paragraph(_head(report)), figures, paragraph(_conclusion(report))])


def as_markdown(report: StressReport) -> str:
    """The report as a Markdown table, with what it stands on and comes to."""
    blocks = [_head(report), markdown_table(_HEADER, _rows(report)), _conclusion(report)]
    return "\n\n".join(blocks) + "\n"


def _head(report: StressReport) -> str:
    grouped = in_groups(report.files, report.groups)
    head = f"{counted(report.files, 'labelled file')} ({report.fakes} fake){grouped}."
    head += " Worst variant first."
    if report.unlabelled:
        head += f" {counted(report.unlabelled, 'file')} without a label left out."
    return head


def _conclusion(report: StressReport) -> str:
    worst, clean = report.variants[0], number(report.clean.metrics["macro_f1"])
    lowest = number(worst.metrics["macro_f1"])
    if report.fall <= 0:
        return f"No variant has a lower macro F1 than the clean files: {clean}, lowest {lowest}."
    count = len(report.variants)
    among = f", the worst of {count}," if count > 1 else ""
    text = (
        f"From clean to {worst.variant}{among} macro F1 falls by {number(report.fall)} "
        f"{span(*worst.fall_interval)}: {clean} to {lowest}"
    )
    if worst.p <= LEVEL:
        return f"{text} (adjusted p {p_value(worst.p)})."
    return (
        f"{text}. Chance alone may do as much (adjusted p {p_value(worst.p)}): not distinguishable "
        f"on {counted(report.files, 'file')}."
    )


def as_png(report: StressReport) -> bytes:
    """Macro F1 with its interval, and the share of files with a face, for every variant."""
    rows = [report.clean, *report.variants]
    figure = new_figure("stress", 11, 2.0 + 0.3 * len(rows))
    figure.suptitle(
        f"degraded variants of {report.files} files "
        f"({report.fakes} fake, {report.files - report.fakes} real)"
    )
    forest, faces = figure.subplots(1, 2, width_ratios=[1.6, 1])
    names = [row.variant for row in rows]
    draw_forest(
        forest,
        names,
        [row.metrics["macro_f1"] for row in rows],
        [row.intervals["macro_f1"] for row in rows],
        report.clean.metrics["macro_f1"],
        line="clean files",
    )
    places = np.arange(len(rows))[::-1]
    faces.barh(places, [row.face_rate for row in rows], color="tab:blue", alpha=0.6)
    faces.set_yticks(places, [])
    faces.set_ylim(forest.get_ylim())
    faces.set(xlabel="fraction of files with a face", xlim=(0, 1))
    faces.grid(axis="x", alpha=0.3)
    return png(figure)
