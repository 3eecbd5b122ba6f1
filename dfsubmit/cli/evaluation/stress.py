"""``dfsubmit stress``: what recompression, scaling, blur, noise and darkness do to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dfsubmit.cli.decorators import (
    debug_option,
    device_option,
    ending,
    fake_label_option,
    frames_option,
    give_report,
    json_option,
    labels_option,
    model_option,
    plugin_options,
    progress_option,
    recipe_option,
    samples_option,
    wide_option,
)
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.cli.values import complete_aggregators, output_file


def _complete_variants(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Degradations of ``stress``, for the shell."""
    from dfsubmit.evaluation.stress.degrade import VARIANTS

    return [name for name in VARIANTS if name.startswith(incomplete)]


@click.command("stress", cls=GroupedOptions)
@click.argument("data")
@labels_option
@model_option
@click.option(
    "-o",
    "--output",
    default="stress",
    show_default=True,
    metavar="DIR",
    help="Folder for variants and their scores; the same command resumes there.",
)
@click.option(
    "--variant",
    shell_complete=_complete_variants,
    multiple=True,
    metavar="NAME",
    help="Only this variant. Repeatable. Default: all.",
)
@click.option(
    "--aggregator",
    shell_complete=complete_aggregators,
    default="mean",
    show_default=True,
    metavar="SPEC",
)
@recipe_option
@frames_option
@device_option
@click.option("--workers", type=click.IntRange(0), default=0, help="Default: the CPUs available.")
@fake_label_option
@click.option("--keep-media", is_flag=True, help="Keep degraded files, to stress another model.")
@samples_option
@click.option(
    "--seed", default=0, show_default=True, help="Seed of the noise and the random draws."
)
@wide_option
@json_option
@click.option("--markdown", type=output_file, metavar="FILE", help="Write the table as Markdown.")
@click.option("--plot", type=output_file, metavar="FILE", help="Write a plot as PNG.")
@progress_option
@plugin_options
@debug_option
def command(
    data: str,
    labels: str,
    output: str,
    variant: tuple[str, ...],
    samples: int,
    seed: int,
    keep_media: bool,
    wide: bool,
    as_json: bool,
    markdown: str | None,
    plot: str | None,
    **options: Any,
) -> None:
    """Score degraded variants of the labelled files of DATA, to find the worst case.

    Every variant (x264 at c23 and c40, half and quarter size, JPEG, blur, noise, darkness) goes
    through the whole pipeline, including face detection.
    """
    from dfsubmit.console import activity, say
    from dfsubmit.errors import UsageError, did_you_mean
    from dfsubmit.evaluation.labels import read_labels
    from dfsubmit.evaluation.reports import stress as report
    from dfsubmit.evaluation.stress.degrade import VARIANTS
    from dfsubmit.options import RunOptions

    for name in variant:
        if name not in VARIANTS:
            raise UsageError(f"there is no variant {name!r}", did_you_mean(name, VARIANTS))
    with activity("loading the model", options["progress"]):  # said before torch is imported
        from dfsubmit.evaluation.stress.stress import stress

        results = stress(
            RunOptions(data=data, **options),
            read_labels(labels),
            Path(output),
            tuple(dict.fromkeys(variant)) or tuple(VARIANTS),
            samples,
            seed,
            keep_media,
            say=say,
        )
    give_report(results, report, as_json, wide, markdown=markdown, plot=plot)
    ending("package", "--model", options["model"], "--target", "predict", "--output", "BUNDLE")
