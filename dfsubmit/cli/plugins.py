"""``dfsubmit plugins``: what is installed, what it registered, and what did not load."""

from __future__ import annotations

import json
from typing import Any

import click

from dfsubmit.cli.decorators import debug_option, json_option, plugin_options
from dfsubmit.cli.help import GroupedOptions


@click.command("plugins", cls=GroupedOptions)
@plugin_options
@json_option
@debug_option
def command(plugins_dir: tuple[str, ...], strict: bool, as_json: bool) -> None:
    """List plugins, aggregators and detectors (with their parameters) and model loaders."""
    from dfsubmit.hooks import HOOKS_VERSION
    from dfsubmit.hooks.loading import load_plugins
    from dfsubmit.hooks.specs import aggregator_parameters, detector_parameters, executor_parameters

    plugins = load_plugins(plugins_dir, strict)
    if as_json:
        listing = {
            "hooks": HOOKS_VERSION,
            "plugins": [vars(info) for info in plugins.infos],
            "aggregators": [
                {
                    "name": item.name,
                    "plugin": item.plugin,
                    "parameters": aggregator_parameters(item),
                    "properties": sorted(item.properties),
                    "bounds": item.bounds is not None,
                }
                for item in plugins.aggregators.values()
            ],
            "detectors": [
                {
                    "name": item.name,
                    "plugin": item.plugin,
                    "parameters": detector_parameters(item),
                    "landmarks": item.landmarks,
                }
                for item in plugins.detectors.values()
            ],
            "executors": [
                {"name": item.name, "plugin": item.plugin, "parameters": executor_parameters(item)}
                for item in plugins.executors.values()
            ],
            "loaders": plugins.loader_plugins,
        }
        click.echo(json.dumps(listing, indent=2, default=str))
        return
    click.echo(f"plugins (version {HOOKS_VERSION} of the hooks)")
    for info in plugins.infos:
        state = f"FAILED: {info.error}" if info.error else "ok"
        click.echo(f"  {info.name} {info.version}".rstrip() + f" ({info.source}): {state}")
    click.echo("aggregators")
    for name, item in sorted(plugins.aggregators.items()):
        click.echo(f"  {_spec(name, aggregator_parameters(item))}  ({item.plugin})")
    click.echo("detectors")
    for name, detector in sorted(plugins.detectors.items()):
        also = ", with landmarks" if detector.landmarks else ""
        click.echo(f"  {_spec(name, detector_parameters(detector))}  ({detector.plugin}{also})")
    click.echo("executors")
    for name, executor in sorted(plugins.executors.items()):
        click.echo(f"  {_spec(name, executor_parameters(executor))}  ({executor.plugin})")
    click.echo("model loaders")
    for name, plugin in sorted(plugins.loader_plugins.items()):
        click.echo(f"  {name}  ({plugin})")


def _spec(name: str, parameters: dict[str, Any]) -> str:
    """The name with its parameters' defaults, as a user would write it."""
    text = ",".join(f"{key}={value}" for key, value in parameters.items())
    return f"{name}:{text}" if text else name
