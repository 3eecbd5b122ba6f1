"""``dfsubmit extract``: the faces of a data set, for fine-tuning."""

from __future__ import annotations

from pathlib import Path

import click

from dfsubmit.cli.decorators import (
    debug_option,
    ending,
    ending_of_shard,
    executor_option,
    json_option,
    plugin_options,
    progress_option,
    shard_option,
)
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.cli.values import complete_recipes, span
from dfsubmit.console import first_few, say
from dfsubmit.errors import UsageError
from dfsubmit.shards import Shard


@click.command("extract", cls=GroupedOptions)
@click.argument("root", type=click.Path(path_type=Path))
@click.argument("faces", type=click.Path(path_type=Path, file_okay=False))
@click.option("--dataset", metavar="LAYOUT", help="Its layout. Default: detected.")
@click.option(
    "--recursive",
    is_flag=True,
    help="Take the files in folders called real and fake, at any depth of ROOT.",
)
@click.option(
    "--label-from",
    metavar="PATTERN",
    help="Pattern for the path below ROOT that contains the label, such as '{label}/{group}/*', "
    "with {label}, {group}, {method}, {split}, * and **.",
)
@click.option("--compression", metavar="NAME", help="Of FaceForensics++: raw, c23 or c40.")
@click.option(
    "--methods", metavar="NAMES", default="", help="Only these manipulations, separated by commas."
)
@click.option(
    "--video-ids",
    type=click.Path(path_type=Path, dir_okay=False),
    help="FaceForensics++'s conversion_dict.json, if it is not next to the data.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Maximum number of files per class.")
@click.option(
    "--frames",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Frames per video, evenly spaced.",
)
@click.option(
    "--recipe",
    shell_complete=complete_recipes,
    default="dfsubmit",
    show_default=True,
    metavar="NAME|FILE",
    help="How faces are detected and cropped; saved with the crops and in models made from them.",
)
@click.option(
    "--already-cropped",
    is_flag=True,
    help="The files are face crops already, made according to --recipe.",
)
@shard_option
@executor_option
@click.option("--workers", type=click.IntRange(min=0), default=0, help="Processes; 0: all CPUs.")
@click.option(
    "--per-file-timeout",
    type=span,
    default="120",
    show_default=True,
    help="CPU seconds per file.",
)
@plugin_options
@progress_option
@json_option
@debug_option
def command(
    root: Path,
    faces: Path,
    dataset: str | None,
    recursive: bool,
    label_from: str | None,
    compression: str | None,
    methods: str,
    video_ids: Path | None,
    limit: int | None,
    frames: int,
    recipe: str,
    already_cropped: bool,
    shard: Shard | None,
    executor: str,
    workers: int,
    per_file_timeout: float,
    plugins_dir: tuple[str, ...],
    strict: bool,
    progress: bool,
    as_json: bool,
) -> None:
    """Extract face crops from the data set ROOT (a folder or a CSV file) into the folder FACES.

    Decoding, detection and cropping are the same as in 'dfsubmit run'. An interrupted extraction
    resumes. Crops are lossless and at full size, about 100 KB each.
    """
    import dataclasses
    import json

    from dfsubmit.extraction.extraction import ExtractOptions, extract
    from dfsubmit.extraction.layouts import find_sources, layout_of
    from dfsubmit.extraction.remarks import remarks
    from dfsubmit.extraction.sources import Wanted
    from dfsubmit.recipe import load_recipe

    chosen = tuple(name.strip() for name in methods.split(",") if name.strip())
    wanted = Wanted(compression, chosen, video_ids, recursive, label_from)
    layout = layout_of(root, dataset, wanted)
    # These layouts take every file below ROOT.
    if (recursive or layout in ("folder", "kodf")) and root.resolve() in faces.resolve().parents:
        raise UsageError(f"{faces} lies in {root}: its crops would be files of the data set")
    say(f"layout: {layout}{'' if dataset else ' (detected)'}")
    sources = find_sources(root, layout, wanted, limit)
    for remark in remarks(sources, layout):
        say(f"note: {remark}")
    options = ExtractOptions(
        load_recipe(recipe),
        frames,
        already_cropped,
        workers,
        per_file_timeout,
        progress,
        plugins_dir,
        strict,
        shard,
        executor,
    )
    summary = extract(sources, faces, options)
    if as_json:
        click.echo(json.dumps({"layout": layout} | dataclasses.asdict(summary), indent=2))
        return
    failures = [f"  {status}: {name}: {error}" for name, status, error in summary.failures]
    if failures:
        say(first_few(failures, 20, "\n", "  … and {} more"))
    counts = ", ".join(f"{count:,} {name}" for name, count in summary.crops.items())
    statuses = ", ".join(f"{count:,} {name}" for name, count in sorted(summary.statuses.items()))
    click.echo(f"faces: {counts}, in {summary.groups:,} identity groups")
    click.echo(f"files: {statuses}" + (f" ({summary.resumed:,} before)" if summary.resumed else ""))
    click.echo(f"index: {options.folder_of(faces) / 'faces.csv'}")
    if shard is None:
        ending("finetune", faces, "--output", "MODEL")
    else:
        ending_of_shard(shard, faces, folder=True)
