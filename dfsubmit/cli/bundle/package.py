"""``dfsubmit package``: build a competition bundle."""

from __future__ import annotations

from pathlib import Path

import click

from dfsubmit.cli.decorators import debug_option, ending, max_size_option
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.cli.values import ModelName, complete_aggregators
from dfsubmit.console import printable


@click.command("package", cls=GroupedOptions)
@click.option(
    "-m",
    "--model",
    required=True,
    type=ModelName(),
    help="The model's name or folder.",
)
@click.option(
    "--target",
    required=True,
    type=click.Choice(["task", "predict"]),
    help="task: the 2025 contract; predict: aifactory 3.x.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The bundle's folder, to be created.",
)
@click.option("--name", help="The model's name in the bundle.  [default: its folder's name]")
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="DIR|WHEEL",
    help="A plugin to include: its project folder or wheel. Repeatable.",
)
@click.option(
    "--aggregator",
    shell_complete=complete_aggregators,
    default="mean",
    show_default=True,
    metavar="SPEC",
    help="Such as topk:k=5.",
)
@click.option("--tta", type=click.Choice(["none", "flip"]), default="none", show_default=True)
@max_size_option
@click.option(
    "--dfsubmit",
    metavar="DIR|WHEEL",
    help="dfsubmit's project folder or wheel.  [default: the current clone]",
)
@debug_option
def command(
    model: str,
    target: str,
    output: Path,
    name: str | None,
    plugins: tuple[str, ...],
    aggregator: str,
    tta: str,
    max_size: int,
    dfsubmit: str | None,
) -> None:
    """Build a bundle that the competition's client can send."""
    from dfsubmit.bundle.manifest import bundle_hash
    from dfsubmit.bundle.package.packaging import PackageOptions, package

    options = PackageOptions(
        Path(model), target, output, name, plugins, aggregator, tta, max_size, dfsubmit
    )
    built = package(options)
    for item in built.files:
        click.echo(f"{item.size:>12,}  {printable(f'{item.path}  ({item.source})')}")
    total = sum(item.size for item in built.files)
    name = printable(str(output))
    click.echo(f"{total:>12,}  {name}  sha256 {bundle_hash(output)[:16]}")
    ending("rehearse", output, "--data", "DIR")
