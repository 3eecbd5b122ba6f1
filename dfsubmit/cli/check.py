"""``dfsubmit check``: is this submission.csv what the organiser accepts?"""

from __future__ import annotations

from pathlib import Path

import click

from dfsubmit.cli.decorators import debug_option
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.console import counted
from dfsubmit.errors import DfsubmitError


@click.command("check", cls=GroupedOptions)
@click.argument("submission", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--data",
    default="data",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that was scored.",
)
@debug_option
def command(submission: Path, data: Path) -> None:
    """Check SUBMISSION, a submission.csv, against its data folder.

    Prints every problem and exits 1 when there is any.
    """
    from dfsubmit.output.submission import validate_submission

    problems = validate_submission(submission, data)
    for problem in problems:
        click.echo(problem)
    if problems:
        raise DfsubmitError(
            f"{submission}: {counted(len(problems), 'problem')}: it would be refused"
        )
    click.echo(f"{submission} is valid for {data}")
