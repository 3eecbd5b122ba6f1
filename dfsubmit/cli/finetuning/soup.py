"""``dfsubmit soup``: the mean of several fine-tuned models, as one model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from dfsubmit.cli.decorators import debug_option, ending, json_option, progress_option
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.console import counted


@click.command("soup", cls=GroupedOptions)
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The model folder.",
)
@click.option(
    "--faces",
    multiple=True,
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Face crops that the models were fine-tuned on, to validate the average. Repeatable.",
)
@json_option
@progress_option
@debug_option
def command(
    models: tuple[Path, ...], output: Path, faces: tuple[Path, ...], as_json: bool, progress: bool
) -> None:
    """Average the weights of MODELS, fine-tuned from one base with several seeds, into one model.

    Prints the validation figures of each model and of the average, which is not always the best.
    """
    from dfsubmit.finetuning.soup import make_soup

    soup = make_soup(models, faces, output, progress)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(soup), indent=2, default=str))
        return
    for name, figures in soup.figures.items():
        listing = ", ".join(f"{key} {value:.4f}" for key, value in figures.items())
        click.echo(f"{name}: {listing}")
    click.echo(f"model: {soup.output} (judged on {counted(soup.faces, 'face')})")
    ending("run", "DATA", "--model", soup.output)
