"""``dfsubmit ledger``: what was submitted, and how it scored."""

from __future__ import annotations

import dataclasses
import json

import click

from dfsubmit.cli.decorators import debug_option, write_file
from dfsubmit.cli.help import GroupedCommands, GroupedOptions
from dfsubmit.cli.values import output_file
from dfsubmit.console import say, warn


@click.group("ledger", cls=GroupedCommands, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@debug_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Show all submissions, newest first, with each score's change against the best before it."""
    if context.invoked_subcommand is not None:
        return
    from datetime import datetime

    from dfsubmit.bundle.submit import ledger, overview

    entries = ledger.read()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(entry) for entry in reversed(entries)], indent=2))
        return
    click.echo(overview.table(entries) if entries else "nothing was submitted yet")
    warnings = ledger.damage() + overview.quota_warnings(entries, datetime.now(ledger.KOREA))
    for warning in warnings:
        warn(warning)


@command.command("score", cls=GroupedOptions)
@click.argument("entry_id", metavar="ID")
@click.argument("value", metavar="SCORE", type=float)
@click.option("--force", is_flag=True, help="Also if the submission was not accepted.")
@debug_option
def score(entry_id: str, value: float, force: bool) -> None:
    """Enter the leaderboard's SCORE (macro F1, 0 to 1) of the submission ID."""
    from dfsubmit.bundle.submit import ledger, overview

    entry = ledger.record_score(entry_id, value, force=force)
    change = overview.gains(ledger.read()).get(entry_id)
    against = f" ({change:+.4f} against the best before it)" if change is not None else ""
    click.echo(f"{entry.id}: {value:.4f}{against}")


@command.command("export", cls=GroupedOptions)
@click.argument("entry_id", metavar="ID")
@click.option("-o", "--output", type=output_file, metavar="FILE", help="A file.  [default: stdout]")
@debug_option
def export(entry_id: str, output: str | None) -> None:
    """Write the experiment report of the submission ID as Markdown."""
    from dfsubmit.bundle.submit import ledger
    from dfsubmit.bundle.submit.experiment import experiment_report

    text = experiment_report(ledger.find(entry_id), ledger.read())
    if output is None:
        click.echo(text, nl=False)
    else:
        write_file(output, text)
        say(f"wrote {output}")
