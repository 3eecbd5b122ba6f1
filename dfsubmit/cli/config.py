"""``dfsubmit config``: which options hold, and where each comes from."""

from __future__ import annotations

import json

import click
from click.core import ParameterSource

from dfsubmit.cli.decorators import debug_option, json_option
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.cli.settings import FILE, Settings


@click.command("config", cls=GroupedOptions)
@click.argument("name", metavar="[COMMAND]", default="run")
@json_option
@debug_option
@click.pass_context
def command(context: click.Context, name: str, as_json: bool) -> None:
    """Show what holds for COMMAND (default: run) without options, and where it comes from.

    An option of the command line goes before the environment, that before dfsubmit.toml, and that
    before the default.
    """
    from dfsubmit.console import table

    group = context.find_root()
    assert isinstance(group.command, click.Group)
    _, asked, _ = group.command.resolve_command(group, [name])
    assert asked is not None
    settings = group.ensure_object(Settings)
    inner = asked.make_context(name, [], parent=group, resilient_parsing=True)
    sources = {
        ParameterSource.ENVIRONMENT: "environment",
        ParameterSource.DEFAULT_MAP: FILE,
        ParameterSource.DEFAULT: "default",
    }
    rows = []
    for item in asked.params:
        if item.name in inner.params:
            source = inner.get_parameter_source(item.name)
            value = inner.params[item.name]
            rows.append(
                (max(item.opts, key=len), value, sources[source or ParameterSource.DEFAULT])
            )
    if as_json:
        listing = {key: {"value": value, "from": source} for key, value, source in rows}
        path = str(settings.path) if settings.path else None
        click.echo(json.dumps({"file": path, "options": listing}, indent=2, default=str))
        return
    click.echo(f"file: {settings.path or f'none: no {FILE} here or above, and no --config'}")
    shown = [(key, "" if value is None else _text(value), source) for key, value, source in rows]
    styles = {"environment": "yellow", FILE: "green"}
    click.echo(table(("option", "value", "from"), shown, styles=styles))


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
