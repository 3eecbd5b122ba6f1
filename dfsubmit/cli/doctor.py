"""``dfsubmit doctor``: what is installed, and what would stop a run."""

from __future__ import annotations

import json
import sys

import click

from dfsubmit.cli.decorators import debug_option, json_option, plugin_options
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.errors import Exit


@click.command("doctor", cls=GroupedOptions)
@plugin_options
@json_option
@debug_option
def command(plugins_dir: tuple[str, ...], strict: bool, as_json: bool) -> None:
    """Show what is installed and what would stop a run.

    Exits 5 when a package that a run needs cannot be imported, 1 when something else would stop a
    run, and 0 otherwise.
    """
    from dfsubmit.console import table
    from dfsubmit.doctor import examine, exit_code

    findings = examine(plugins_dir, strict)
    code = exit_code(findings)
    if as_json:
        listing = {"findings": [vars(finding) for finding in findings], "exit_code": int(code)}
        click.echo(json.dumps(listing, indent=2))
        sys.exit(code)
    rows = []
    for finding in findings:
        rows.append((finding.state, finding.subject, finding.text))
        if finding.hint:
            rows.append(("", "", f"hint: {finding.hint}"))
    click.echo(table((), rows, styles={"ok": "green", "stop": "bold red", "missing": "bold red"}))
    verdict = {
        Exit.OK: "nothing here would stop a run",
        Exit.FAILED_CHECK: "a run would stop: see the lines marked stop",
        Exit.NOT_INSTALLED: "a run would stop: see the lines marked missing",
    }
    click.echo(verdict[code])
    sys.exit(code)
