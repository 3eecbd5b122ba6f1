"""``dfsubmit stress``: what recompression, scaling, blur, noise and darkness do to a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfsubmit.cli.options import debug_option, labels_option, plugin_options

if TYPE_CHECKING:
    from dfsubmit.evaluation.stress import Stressed, StressReport


@click.command("stress")
@click.argument("data")
@labels_option
@click.option("--model", required=True, metavar="DIR", help="A model folder, or a zip of one.")
@click.option(
    "--output",
    default="stress",
    show_default=True,
    metavar="DIR",
    help="Where variants and their scores are kept; the same command goes on there.",
)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="NAME",
    help="Only these; repeatable. Default: all.",
)
@click.option("--aggregator", default="mean", show_default=True, metavar="SPEC")
@click.option("--recipe", metavar="NAME|FILE", help="Override the model's own recipe. Warns.")
@click.option("--frames", type=click.IntRange(1), help="Override the recipe's number of frames.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--workers", type=click.IntRange(0), default=0, help="Default: the CPUs available.")
@click.option("--fake-label", metavar="NAME", help="The fake class, where its name is unclear.")
@click.option("--keep-media", is_flag=True, help="Keep degraded files, to stress another model.")
@click.option("--samples", default=1000, show_default=True, type=click.IntRange(min=100))
@click.option("--seed", default=0, show_default=True, help="Of the noise and the bootstrap.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.option("--markdown", "markdown_path", metavar="FILE", help="Write the table as Markdown.")
@click.option("--plot", "plot_path", metavar="FILE", help="Write a plot as PNG.")
@plugin_options
@debug_option
def command(
    data: str,
    labels_path: str,
    output: str,
    variants: tuple[str, ...],
    samples: int,
    seed: int,
    keep_media: bool,
    as_json: bool,
    markdown_path: str | None,
    plot_path: str | None,
    **options: Any,
) -> None:
    """Score degraded variants of the labelled files of DATA: the worst case before a submission.

    Every variant (x264 at c23 and c40, half and quarter size, JPEG, blur, noise, darkness) goes
    through the whole pipeline: faces are found anew.
    """
    from dfsubmit.atomic import write_atomically
    from dfsubmit.errors import UsageError, did_you_mean
    from dfsubmit.evaluation.degrade import VARIANTS
    from dfsubmit.evaluation.labels import read_labels
    from dfsubmit.evaluation.stress import stress
    from dfsubmit.evaluation.tables import jsonable
    from dfsubmit.options import RunOptions

    for name in variants:
        if name not in VARIANTS:
            raise UsageError(f"there is no variant {name!r}", did_you_mean(name, VARIANTS))
    report = stress(
        RunOptions(data=data, progress=not as_json, **options),
        read_labels(labels_path),
        Path(output),
        tuple(dict.fromkeys(variants)) or tuple(VARIANTS),
        samples,
        seed,
        keep_media,
        say=lambda line: click.echo(line, err=True),
    )
    if as_json:
        click.echo(json.dumps(jsonable(_as_json(report)), indent=2))
    else:
        click.echo(_as_text(report))
    if markdown_path:
        write_atomically(markdown_path, _as_markdown(report))
    if plot_path:
        from dfsubmit.evaluation.plots import stress_png

        write_atomically(plot_path, stress_png(report))


def _as_json(report: StressReport) -> dict[str, Any]:
    def plain(row: Stressed) -> dict[str, Any]:
        return {
            "variant": row.variant,
            **row.metrics,
            "ci": row.intervals["macro_f1"],
            "intervals": row.intervals,
            "fall": row.fall,
            "fall_ci": row.fall_interval,
            "face_rate": row.face_rate,
            "frame_face_rate": row.frame_face_rate,
            "failed": row.failed,
        }

    return {
        "files": report.files,
        "fakes": report.fakes,
        "groups": report.groups,
        "unlabelled": report.unlabelled,
        "fall": report.fall,
        "clean": plain(report.clean),
        "variants": [plain(row) for row in report.variants],
    }


_HEADER = ["variant", "macro F1", "95 %", "fall", "95 %", "AUC", "95 %", "recall"]
_HEADER += ["files with a face", "frames with a face", "failed"]


def _rows(report: StressReport) -> list[list[str]]:
    from dfsubmit.evaluation.tables import number, span

    return [
        [
            row.variant,
            number(row.metrics["macro_f1"]),
            span(*row.intervals["macro_f1"]),
            number(row.fall, sign=True),
            span(*row.fall_interval, sign=True),
            number(row.metrics["auc"]),
            span(*row.intervals["auc"]),
            number(row.metrics["recall"]),
            f"{row.face_rate:.1%}",
            f"{row.frame_face_rate:.1%}",
            str(row.failed),
        ]
        for row in (*report.variants, report.clean)
    ]


def _as_text(report: StressReport) -> str:
    from dfsubmit.evaluation.tables import text_table

    return "\n\n".join([_head(report), text_table(_HEADER, _rows(report)), _conclusion(report)])


def _as_markdown(report: StressReport) -> str:
    from dfsubmit.evaluation.tables import markdown_table

    blocks = [_head(report), markdown_table(_HEADER, _rows(report)), _conclusion(report)]
    return "\n\n".join(blocks) + "\n"


def _head(report: StressReport) -> str:
    grouped = f" in {report.groups} groups" if report.groups < report.files else ""
    head = f"{report.files} labelled files ({report.fakes} fake){grouped}, worst variant first."
    if report.unlabelled:
        head += f" {report.unlabelled} files have no label and were left out."
    return head


def _conclusion(report: StressReport) -> str:
    from dfsubmit.evaluation.tables import number, span

    worst = report.variants[0]
    return (
        f"From clean to worst ({worst.variant}) macro F1 falls by {number(report.fall)} "
        f"{span(*worst.fall_interval)}: {number(report.clean.metrics['macro_f1'])} to "
        f"{number(worst.metrics['macro_f1'])}."
    )
