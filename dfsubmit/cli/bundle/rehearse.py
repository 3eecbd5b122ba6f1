"""``dfsubmit rehearse``: run a bundle under the server's rules."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dfsubmit.cli.decorators import debug_option, ending, max_size_option, progress_option
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.cli.values import byte_size, span
from dfsubmit.console import activity, printable, say
from dfsubmit.errors import Exit


@click.command("rehearse", cls=GroupedOptions)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Media to rehearse with.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="CSV with the columns filename,label.",
)
@click.option(
    "--venv/--no-venv",
    "fresh",
    default=True,
    help="Use a new environment like the server's, or the current one without installing.",
)
@click.option("--time-limit", type=span, metavar="TIME", default="3h", show_default=True)
@click.option("--memory", type=byte_size, metavar="SIZE", default="48GB", show_default=True)
@click.option("--cpus", type=click.IntRange(1), default=8, show_default=True)
@click.option(
    "--expect-files",
    type=click.IntRange(1),
    default=1500,
    show_default=True,
    help="Forecast time and macro F1 for this many files.",
)
@max_size_option
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@progress_option
@debug_option
@click.pass_context
def command(
    context: click.Context,
    bundle: Path,
    data: Path,
    labels: Path | None,
    fresh: bool,
    time_limit: float,
    memory: int,
    cpus: int,
    expect_files: int,
    max_size: int,
    as_json: bool,
    progress: bool,
) -> None:
    """Run BUNDLE as the server would, and check the result.

    The environment variable TORCH replaces the server's torch 2.7.1, whose wheel has several GB.
    Exit code 1 if a check failed.
    """
    from dfsubmit.bundle.rehearse.options import RehearsalOptions
    from dfsubmit.bundle.rehearse.rehearsal import rehearse
    from dfsubmit.bundle.rehearse.report import failed, kept, table
    from dfsubmit.bundle.rehearse.watching import Limits

    options = RehearsalOptions(
        bundle=bundle,
        data=data,
        labels=labels,
        fresh=fresh,
        limits=Limits(time_limit, memory, cpus),
        expected_files=expect_files,
        max_size=max_size,
    )
    with activity("checking the bundle", progress):
        report = rehearse(
            options,
            say=lambda step: activity(step, progress),
            follow=lambda line: say(f"  {line}") if progress else None,
        )
    if as_json:
        click.echo(json.dumps({**report.to_dict(), "passed": report.passed}, indent=2))
    else:
        click.echo(table(report))
        later = failed(bundle).is_dir()
        click.echo(f"kept in {printable(str(failed(bundle) if later else kept(bundle)))}")
        if later:
            click.echo(
                f"the earlier rehearsal, which passed, stays in {printable(str(kept(bundle)))}"
            )
    if report.passed:
        ending("submit", bundle, "--model-name", "NAME")
    else:
        context.exit(Exit.FAILED_CHECK)
