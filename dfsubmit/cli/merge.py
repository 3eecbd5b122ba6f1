"""``dfsubmit merge``: the parts of a divided run, or of a divided extraction, made one."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dfsubmit.cli.decorators import debug_option, ending, json_option, progress_option
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.errors import DfsubmitError, UsageError


@click.command("merge", cls=GroupedOptions)
@click.argument("out", type=click.Path(path_type=Path))
@click.argument(
    "parts", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True, metavar="IN…"
)
@json_option
@progress_option
@debug_option
def command(out: Path, parts: tuple[Path, ...], as_json: bool, progress: bool) -> None:
    """Combine the outputs IN of 'run --shard' or 'extract --shard' into OUT.

    The parts are submissions (each with its scores and metadata beside it) or folders of faces.
    They must be made in the same way, be complete, and have no file in common.
    """
    from dfsubmit.console import printable_text

    try:
        if all(part.is_dir() for part in parts):
            from dfsubmit.extraction.merging import merge_faces

            merged = merge_faces(out, parts, progress)
            text = "\n".join(
                f"{what}: {', '.join(f'{count:,} {name}' for name, count in merged[key].items())}"
                for what, key in (("faces", "crops"), ("files", "statuses"))
            )
            text = printable_text(f"{text}\nindex: {out / 'faces.csv'}")
        elif any(part.is_dir() for part in parts):
            raise UsageError("some of the parts are folders and some are files")
        else:
            from dfsubmit.output.merging import merge_runs
            from dfsubmit.output.summary import format_summary

            summary = merge_runs(out, parts)
            merged, text = summary.meta, format_summary(summary)
    except OSError as error:
        raise DfsubmitError(f"{error.filename or out}: {error.strerror or error}") from error
    click.echo(json.dumps(merged, indent=2) if as_json else text)
    if out.is_dir():
        ending("finetune", out, "--output", "MODEL")
    else:
        ending("check", out, "--data", "DATA")
