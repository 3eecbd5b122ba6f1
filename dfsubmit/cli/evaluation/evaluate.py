"""``dfsubmit evaluate``: one submission or scores file against the true labels, in depth."""

from __future__ import annotations

import json

import click

from dfsubmit.cli.decorators import debug_option, labels_option, write_file


@click.command("evaluate")
@click.argument("result", metavar="SUBMISSION_OR_SCORES")
@labels_option
@click.option("--samples", default=1000, show_default=True, type=click.IntRange(min=100))
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.option("--markdown", metavar="FILE", help="Write the report as Markdown.")
@click.option("--plot", metavar="FILE", help="Write confusion, ROC, parts as PNG.")
@debug_option
def command(
    result: str,
    labels: str,
    samples: int,
    seed: int,
    as_json: bool,
    markdown: str | None,
    plot: str | None,
) -> None:
    """Evaluate a submission.csv, or a .scores.jsonl with its probabilities, in depth.

    Every extra column of the labels (dataset, method, …) gives a breakdown, the worst part first.
    """
    from dfsubmit.evaluation.evaluate import evaluate
    from dfsubmit.evaluation.labels import read_labels
    from dfsubmit.evaluation.reports import evaluate as report

    evaluation = evaluate(result, read_labels(labels), samples, seed, progress=not as_json)
    if as_json:
        click.echo(json.dumps(report.as_json(evaluation), indent=2))
    else:
        click.echo(report.as_text(evaluation))
    if markdown:
        write_file(markdown, report.as_markdown(evaluation))
    if plot:
        write_file(plot, report.as_png(evaluation))
