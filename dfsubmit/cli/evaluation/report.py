"""``dfsubmit report``: a run, or two side by side, as one HTML page."""

from __future__ import annotations

import click

from dfsubmit.cli.decorators import debug_option, plugin_options, progress_option
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.cli.values import ModelName, output_file


@click.command("report", cls=GroupedOptions)
@click.argument("scores", nargs=-1, required=True, metavar="SCORES [SCORES]")
@click.option(
    "--data", metavar="DIR", help="The folder that was scored, for pictures the run did not take."
)
@click.option(
    "--labels",
    metavar="FILE",
    help="True labels, for figures and mistakes. Default: the folders real/ and fake/ of a run "
    "with --recursive.",
)
@click.option("-m", "--model", type=ModelName(), help="The run's model folder, for --attention.")
@click.option(
    "-o",
    "--output",
    type=output_file,
    metavar="FILE",
    help="The page to write. Default: .report.html beside the scores.",
)
@click.option("--no-faces", is_flag=True, help="No pictures: timelines and figures alone.")
@click.option("--assets", metavar="DIR", help="Put all pictures into DIR, beside the page.")
@click.option(
    "--attention",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Show where the model looked in the N files most wrong or nearest the threshold; needs "
    "--data and --model.",
)
@click.option(
    "--lang", type=click.Choice(["en", "ko"]), help="The page's language; default: the locale's."
)
@progress_option
@plugin_options
@debug_option
def command(
    scores: tuple[str, ...],
    data: str | None,
    labels: str | None,
    model: str | None,
    output: str | None,
    no_faces: bool,
    assets: str | None,
    attention: int | None,
    lang: str | None,
    progress: bool,
    plugins_dir: tuple[str, ...],
    strict: bool,
) -> None:
    """Make an HTML report of a run from its .scores.jsonl.

    A second .scores.jsonl is compared with it. The page needs no network. It contains pictures of
    faces unless --no-faces is given.
    """
    from dfsubmit.console import printable_text, say
    from dfsubmit.report.making import ReportOptions, make_report

    made = make_report(
        ReportOptions(
            scores,
            data,
            labels,
            model,
            output,
            not no_faces,
            assets,
            attention or 0,
            lang,
            plugins_dir,
            strict,
            progress,
        ),
        say=say,
    )
    for note in made.notes:
        say(note)
    click.echo(printable_text(f"{made.path}: {made.size / 1e6:.2g} MB"))
