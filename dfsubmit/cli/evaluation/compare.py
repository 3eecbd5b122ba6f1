"""``dfsubmit compare``: aggregators side by side on cached frame scores, without the model."""

from __future__ import annotations

import click

from dfsubmit.cli.decorators import (
    debug_option,
    ending,
    give_report,
    json_option,
    labels_option,
    plugin_options,
    progress_option,
    samples_option,
    wide_option,
)
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.cli.values import complete_aggregators, output_file


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


@click.command("compare", cls=GroupedOptions)
@click.argument("scores", nargs=-1, required=True)
@labels_option
@click.option(
    "--aggregator",
    shell_complete=complete_aggregators,
    multiple=True,
    metavar="SPEC",
    help="Repeatable. Default: all.",
)
@click.option(
    "--frames",
    callback=_frame_counts,
    metavar="N,N",
    help="Also evaluate with these numbers of frames, sampled evenly from the cached ones.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="A file is fake if p_fake is above it. Default: the run's.",
)
@samples_option
@click.option("--seed", default=0, show_default=True, help="Seed of the random draws.")
@wide_option
@json_option
@click.option("--csv", type=output_file, metavar="FILE", help="Write the table as CSV.")
@click.option(
    "--plot", type=output_file, metavar="FILE", help="Write a forest plot, ROC, reliability."
)
@progress_option
@plugin_options
@debug_option
def command(
    scores: tuple[str, ...],
    labels: str,
    aggregator: tuple[str, ...],
    frames: tuple[int, ...],
    threshold: float | None,
    samples: int,
    seed: int,
    wide: bool,
    as_json: bool,
    csv: str | None,
    plot: str | None,
    progress: bool,
    plugins_dir: tuple[str, ...],
    strict: bool,
) -> None:
    """Compare aggregators on the cached frame scores of one or several runs.

    SCORES are the .scores.jsonl files that `dfsubmit run` writes. Verdicts come from a test that is
    adjusted for the number of compared rules and keeps the groups of the labels together.
    """
    from dfsubmit.console import warn
    from dfsubmit.evaluation.cached import read_cached_run, same_files
    from dfsubmit.evaluation.compare import compare
    from dfsubmit.evaluation.labels import read_labels
    from dfsubmit.evaluation.reports import compare as report
    from dfsubmit.hooks.loading import load_plugins
    from dfsubmit.intervals.groups import group_numbers
    from dfsubmit.scoring.aggregate import DEFAULT_AGGREGATOR

    plugins = load_plugins(plugins_dir, strict)
    for info in plugins.failures:
        warn(f"the plugin {info.name} does not load: {info.error}")
    labelled = read_labels(labels)
    runs = [read_cached_run(path, labelled) for path in scores]
    files = same_files(runs)
    comparison = compare(
        runs,
        [plugins.aggregator(spec) for spec in aggregator or sorted(plugins.aggregators)],
        plugins.aggregator(DEFAULT_AGGREGATOR),
        group_numbers([labelled[name].group for name in files]),
        frames or (None,),
        threshold,
        samples,
        seed,
        progress,
    )
    give_report(comparison, report, as_json, wide, csv=csv, plot=plot)
    ending("calibrate", scores[0], "--labels", labels, "--model", "MODEL")
