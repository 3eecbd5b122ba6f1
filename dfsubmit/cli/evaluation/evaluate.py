"""``dfsubmit evaluate``: one submission or scores file against the true labels, in depth."""

from __future__ import annotations

import click

from dfsubmit.cli.decorators import (
    debug_option,
    ending,
    give_report,
    json_option,
    progress_option,
    samples_option,
    wide_option,
)
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.cli.values import output_file


@click.command("evaluate", cls=GroupedOptions)
@click.argument("result", metavar="SUBMISSION_OR_SCORES")
@click.option(
    "--labels",
    metavar="FILE",
    help="True labels: columns filename,label (0, 1, real, fake), optionally group and others. "
    "Default: the folders real/ and fake/ of a run with --recursive.",
)
@samples_option
@click.option("--seed", default=0, show_default=True, help="Seed of the random draws.")
@click.option(
    "--hidden",
    type=click.IntRange(1),
    metavar="N",
    help="Forecast the macro F1 of a hidden set of N files.",
)
@click.option(
    "--errors",
    type=click.IntRange(1),
    metavar="N",
    help="List N files each that are wrong, close to the threshold, or without a score.",
)
@wide_option
@json_option
@click.option("--markdown", type=output_file, metavar="FILE", help="Write the report as Markdown.")
@click.option(
    "--plot", type=output_file, metavar="FILE", help="Write confusion, ROC, parts as PNG."
)
@progress_option
@debug_option
def command(
    result: str,
    labels: str | None,
    samples: int,
    seed: int,
    hidden: int | None,
    errors: int | None,
    wide: bool,
    as_json: bool,
    markdown: str | None,
    plot: str | None,
    progress: bool,
) -> None:
    """Evaluate a submission.csv, or a .scores.jsonl with its probabilities, in detail.

    Every extra column of the labels (dataset, method, …) gives a breakdown, the worst part first.
    """
    from dfsubmit.evaluation.evaluate import evaluate
    from dfsubmit.evaluation.labels import labels_of_folders, read_labels
    from dfsubmit.evaluation.reports import evaluate as report

    known = labels_of_folders(result) if labels is None else read_labels(labels)
    evaluation = evaluate(result, known, samples, seed, hidden, progress, errors=errors or 0)
    give_report(evaluation, report, as_json, wide, markdown=markdown, plot=plot)
    if labels is not None and result.endswith(".jsonl"):
        ending("compare", result, "--labels", labels)
