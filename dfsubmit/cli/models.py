"""``dfsubmit models``: the model folders at hand, and the baseline from the hub."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dfsubmit.cli.decorators import debug_option, ending, json_option
from dfsubmit.cli.help import GroupedCommands, GroupedOptions


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
    """List model folders, or fetch the baseline."""
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
