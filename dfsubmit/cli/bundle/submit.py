"""``dfsubmit submit``: send a rehearsed bundle."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from dfsubmit.cli.decorators import debug_option, ending
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.console import say
from dfsubmit.errors import UsageError


@click.command("submit", cls=GroupedOptions)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--model-name", required=True, help="Its name on the leaderboard, 1 to 128 characters."
)
@click.option("--trial", is_flag=True, help="A debug submission, not counted (predict only).")
@click.option(
    "--comparison",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="JSON of dfsubmit compare.",
)
@click.option(
    "--stress", type=click.Path(path_type=Path), metavar="FILE", help="JSON of dfsubmit stress."
)
@click.option("--id", "entry_id", metavar="ID", help="Such as EXP-004.  [default: the next number]")
@click.option("--server", metavar="URL", help="Another server than the client's own.")
@click.option("--force", is_flag=True, help="Send a bundle that was not rehearsed or failed.")
@click.option("--yes", is_flag=True, help="Do not ask before sending.")
@debug_option
def command(
    bundle: Path,
    model_name: str,
    trial: bool,
    comparison: Path | None,
    stress: Path | None,
    entry_id: str | None,
    server: str | None,
    force: bool,
    yes: bool,
) -> None:
    """Send BUNDLE with the organisers' client, and enter it in the ledger.

    The key is read from AIF_API_KEY or asked for without being shown. It is not stored.
    """
    from dfsubmit.bundle.keys import KEY_VARIABLE
    from dfsubmit.bundle.submit.sending import plan, send

    ready = plan(
        bundle,
        model_name,
        comparison=comparison,
        stress=stress,
        trial=trial,
        server=server,
        force=force,
        entry_id=entry_id,
    )
    for line in ready.describe():
        click.echo(line)
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key and (sys.stdin is None or not sys.stdin.isatty()):
        raise UsageError(
            f"there is no key: {KEY_VARIABLE} is not set, and no terminal to ask at",
            f"set {KEY_VARIABLE} to the key of the task's page; nothing was sent",
        )
    if not yes:
        click.confirm("send it?", abort=True)
    if not key:
        key = click.prompt("key", hide_input=True, err=True).strip()
    if not key:
        raise UsageError("a submission needs the key of the task's page", f"set {KEY_VARIABLE}")
    entry = send(ready, key, say=say)
    click.echo(f"accepted; in the ledger as {entry.id}")
    if not trial:
        ending("ledger", "score", entry.id, "SCORE")
