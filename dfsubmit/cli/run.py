"""``dfsubmit run``: a folder of media in, ``submission.csv`` out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfsubmit.cli.decorators import (
    debug_option,
    device_option,
    ending,
    ending_of_shard,
    executor_option,
    fake_label_option,
    frames_option,
    model_option,
    plugin_options,
    progress_option,
    recipe_option,
    shard_option,
)
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.cli.values import complete_aggregators, share, span
from dfsubmit.errors import Exit, UsageError
from dfsubmit.labels import LABELS
from dfsubmit.options import BASELINE_MODEL, RunOptions

if TYPE_CHECKING:
    from dfsubmit.output.summary import RunSummary


def options_from(context: click.Context) -> RunOptions:
    """The run that this command's parsed arguments, environment included, ask for."""
    own = ("as_json", "force")
    values = {key: value for key, value in context.params.items() if key not in own}
    if values.pop("no_fallback"):
        values["fallback"] = None
    return RunOptions(**values)


# DFSUBMIT_TIME_LIMIT, not DFSUBMIT_RUN_TIME_LIMIT: this is the command that people mean.
@click.command("run", cls=GroupedOptions, context_settings={"auto_envvar_prefix": "DFSUBMIT"})
@click.argument("data", default="./data")
@model_option
@click.option("--recursive", is_flag=True, help="Search the subfolders of DATA too.")
@shard_option
@executor_option
@click.option(
    "-o",
    "--output",
    default="submission.csv",
    show_default=True,
    metavar="FILE",
    help="The CSV to write.",
)
@click.option(
    "--aggregator",
    shell_complete=complete_aggregators,
    default="mean",
    show_default=True,
    metavar="SPEC",
    help="How a file's frames become one score: NAME or NAME:key=value ('dfsubmit plugins').",
)
@recipe_option
@frames_option
@device_option
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "fp16", "int8", "cascade"]),
    default="auto",
    show_default=True,
    help="auto means fp32; cascade: a quicker one, and fp32 for files near the threshold.",
)
@click.option(
    "--loader", metavar="NAME", help="Model loader. Default: the most specific one for the model."
)
@click.option("--batch-size", type=click.IntRange(0), default=0, help="Faces per forward pass.")
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=0,
    help="Default: the number of available CPUs, plus one with --early-exit.",
)
@click.option(
    "--fallback",
    default=str(BASELINE_MODEL),
    show_default=True,
    metavar="DIR",
    help="Used instead, with a warning, if --model cannot be loaded.",
)
@click.option("--no-fallback", is_flag=True, help="A model that cannot be loaded is an error.")
@fake_label_option
@click.option(
    "--failure-label",
    type=click.Choice(list(LABELS)),
    default="real",
    show_default=True,
    help="Label for files that could not be scored.",
)
@click.option(
    "--no-face",
    type=click.Choice(["fail", "whole-frame"]),
    default="fail",
    show_default=True,
    help="What to do with a file in which no face is found.",
)
@click.option(
    "--max-failures",
    type=share,
    default="5%",
    show_default=True,
    help="Exit with code 3 if more than this share of files fails.",
)
@click.option(
    "--tta",
    type=click.Choice(["none", "flip"]),
    default="none",
    show_default=True,
    help="flip: the mean of each face and its mirror image.",
)
@click.option(
    "--threshold", type=click.FloatRange(0, 1), help="A file is fake if p_fake is above it."
)
@click.option("--raw", is_flag=True, help="Ignore the model folder's calibration.")
@click.option(
    "--early-exit",
    is_flag=True,
    help="Skip a file's remaining frames once they cannot change its label.",
)
@click.option("--time-limit", type=span, metavar="TIME", help="Such as 3h, 90m or 600.")
@click.option(
    "--min-frames",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Minimum frames per video under a time limit.",
)
@click.option(
    "--per-file-timeout",
    type=span,
    default="120",
    show_default=True,
    help="CPU seconds per file.",
)
@click.option(
    "--resume/--no-resume", default=True, show_default=True, help="Resume an interrupted run."
)
@click.option("--force", is_flag=True, help="Replace the result of another model.")
@click.option("--calibration", metavar="DIR", help="Face crops for --precision int8.")
@click.option(
    "--keep-features",
    is_flag=True,
    help="Store each file's features (input of the last layer), for --reference.",
)
@click.option(
    "--reference",
    metavar="FILE",
    help="Test whether the files resemble those of an earlier run with --keep-features.",
)
@click.option(
    "--report",
    is_flag=True,
    help="Also write an HTML report with face pictures (see 'dfsubmit report').",
)
@click.option("--json", "as_json", is_flag=True, help="Print the run's metadata as JSON.")
@progress_option
@plugin_options
@debug_option
@click.pass_context
def command(context: click.Context, /, as_json: bool, force: bool, **_: Any) -> None:
    """Score every file of DATA (default: ./data) and write submission.csv.

    Exit codes: 0 success; 1 files were added to or removed from DATA during the run, or the
    aggregator failed on every file (results written); 2 usage; 3 more files failed than
    --max-failures (results written); 4 the fallback model was used (results written); 5 a package
    is not installed.
    """
    from dfsubmit.console import activity, printable_text, say
    from dfsubmit.output.previous import refuse_another_models

    options = options_from(context)
    if not force:
        refuse_another_models(options)
    with activity("loading the model", options.progress):  # said before torch is imported
        from dfsubmit.output.summary import format_summary
        from dfsubmit.pipeline import run

        summary = run(options, say=say)
    found = None
    if options.reference is not None and summary.exit_code != Exit.INTERRUPTED:
        found = _drift(summary, options, as_json)
    page = None
    if options.report and summary.exit_code != Exit.INTERRUPTED:
        page = _page(summary, options)
    if as_json:
        more = ({"drift": found} if found else {}) | ({"report": page} if page else {})
        click.echo(json.dumps(summary.meta | more, indent=2))
    else:
        click.echo(format_summary(summary))
        if found:
            click.echo(f"\n{found}")
        if page:
            click.echo(printable_text(f"page: {page}"))
    if summary.exit_code == Exit.INTERRUPTED:
        say("stopped: the same command continues where it stopped; unscored files are provisional")
    elif options.shard is not None:
        ending_of_shard(options.shard, Path(options.output))
    else:
        ending("check", summary.submission, "--data", options.data)
    if summary.exit_reason:
        say(summary.exit_reason)
    context.exit(summary.exit_code)


def _page(summary: RunSummary, options: RunOptions) -> str | None:
    """The path of the run's page. The run is over and written: a page that cannot be made is said,
    and is no error."""
    from dfsubmit.console import warn
    from dfsubmit.errors import DfsubmitError
    from dfsubmit.output.scores import scores_path
    from dfsubmit.report.making import ReportOptions, make_report

    scores = scores_path(summary.submission)
    try:
        made = make_report(
            ReportOptions(
                [scores],
                data=options.data,
                plugins_dir=options.plugins_dir,
                strict=options.strict,
                progress=options.progress,
            ),
            say=warn,
        )
    except DfsubmitError as error:
        warn(f"no page was made: {error.message} ('dfsubmit report {scores}' tries again)")
        return None
    return str(made.path)


def _drift(summary: RunSummary, options: RunOptions, as_json: bool) -> Any:
    """The run held against its reference, as text or for JSON. The run is over and written: what
    cannot be compared is said, and is no error."""
    from dfsubmit.evaluation.drift import drift
    from dfsubmit.evaluation.reports import drift as report
    from dfsubmit.output.features import read_kept_run
    from dfsubmit.output.scores import scores_path

    assert options.reference is not None
    try:
        run = read_kept_run(scores_path(summary.submission))
        found = drift(run, read_kept_run(options.reference), progress=options.progress)
    except UsageError as error:
        return {"error": error.message} if as_json else f"drift alarm: none. {error.message}"
    return report.as_json(found) if as_json else report.as_text(found)
