"""``dfsubmit samples``: something to run on, where no data are at hand."""

from __future__ import annotations

from pathlib import Path

import click

from dfsubmit.cli.decorators import debug_option, ending
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.console import counted


@click.command("samples", cls=GroupedOptions)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--untrained-model",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write a tiny ViT with random weights there. Its labels mean nothing.",
)
@debug_option
def command(folder: Path, untrained_model: Path | None) -> None:
    """Write a small folder of sample videos and pictures to DIR.

    They show one face from a public-domain photograph. Three files are faulty on purpose: a picture
    without a face, a damaged video, and a text file with a video's suffix.
    """
    from dfsubmit.options import SMALL_MODEL
    from dfsubmit.samples import make_samples, make_untrained_model

    paths = make_samples(folder)
    click.echo(f"{counted(len(paths), 'sample file')} in {folder}")
    if untrained_model is not None:
        make_untrained_model(untrained_model)
        click.echo(f"untrained model in {untrained_model}: its labels mean nothing")
    ending("run", folder, "--model", untrained_model or SMALL_MODEL, "--max-failures", "100%")
