"""``dfsubmit models``: the model folders at hand, the baseline from the hub, and preparing."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dfsubmit.cli.decorators import (
    debug_option,
    device_option,
    ending,
    json_option,
    plugin_options,
)
from dfsubmit.cli.help import GroupedCommands, GroupedOptions
from dfsubmit.cli.values import ModelName


@click.group("models", cls=GroupedCommands, invoke_without_command=True)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Only the models in this folder. Default: wherever --model finds them by name.",
)
@json_option
@debug_option
@click.pass_context
def command(context: click.Context, folder: Path | None, as_json: bool) -> None:
    """List model folders, fetch the baseline, or prepare a model for int8."""
    if context.invoked_subcommand is not None:
        return
    from dfsubmit.models.catalogue import list_models
    from dfsubmit.models.search import model_folders

    folders = model_folders() if folder is None else [folder]
    models = [model for place in folders for model in list_models(place)]
    if as_json:
        click.echo(json.dumps([vars(model) for model in models], indent=2, default=str))
        return
    for model in models:
        click.echo(f"{model.path}: {model.state}")
        if model.ready:
            recipe = model.recipe or "none of its own (the default is used)"
            click.echo(f"  recipe {recipe}; fake class {model.fake_class!r}")
    if not models:
        places = ", ".join(map(str, folders))
        click.echo(f"no models in {places}: 'dfsubmit models fetch baseline' downloads one")


@command.command("fetch", cls=GroupedOptions)
@click.argument("name", type=click.Choice(["baseline"]))
@debug_option
def fetch(name: str) -> None:
    """Download the organiser's baseline model (343 MB) from the Hugging Face hub.

    This is the only command that downloads anything. It takes JSON and safetensors files only.
    """
    from dfsubmit.models.catalogue import fetch_baseline

    model = fetch_baseline()
    click.echo(f"{name}: {model.source} is ready, recipe {model.recipe.name}")
    ending("run", "DATA", "--model", model.source)


@command.command("prepare", cls=GroupedOptions)
@click.argument("model", type=ModelName())
@click.option(
    "--precision",
    type=click.Choice(["int8"]),
    default="int8",
    show_default=True,
    help="Of the runs that it is for.",
)
@click.option("--calibration", required=True, metavar="DIR", help="Face crops.")
@device_option
@json_option
@plugin_options
@debug_option
def prepare(
    model: str,
    precision: str,
    calibration: str,
    device: str,
    as_json: bool,
    plugins_dir: tuple[str, ...],
    strict: bool,
) -> None:
    """Quantise MODEL once, and keep the result in its folder.

    A later 'dfsubmit run --precision int8' uses it and needs no faces for calibration, on any
    machine with the same releases. The model's hash stays the same.
    """
    from dfsubmit.console import activity, warn
    from dfsubmit.hooks.loading import load_plugins

    with activity("reading the model"):
        from dfsubmit.models.preparing import prepare_model

        plugins = load_plugins(plugins_dir, strict)
        made = prepare_model(model, precision, Path(calibration), device, plugins)
    prepared = made.prepared
    if as_json:
        content = {
            "model": str(made.model.path),
            "sha256": made.model.sha256,
            "loader": made.loader,
            "precision": precision,
            "folder": str(prepared.folder),
            "bytes": made.bytes,
            "arithmetic": prepared.arithmetic,
            "warnings": list(prepared.warnings),
        }
        click.echo(json.dumps(content, indent=2))
    else:
        click.echo(f"{prepared.folder}: {made.bytes / 1e6:.1f} MB")
        click.echo(prepared.arithmetic)
    for line in prepared.warnings:
        warn(line)
    ending("run", "DATA", "--model", model, "--precision", precision)
