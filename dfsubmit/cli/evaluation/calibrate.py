"""``dfsubmit calibrate``: fit a model's temperature and threshold, and write them beside it."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import click

from dfsubmit.cli.decorators import (
    debug_option,
    ending,
    json_option,
    labels_option,
    plugin_options,
    progress_option,
)
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.cli.values import ModelName, complete_aggregators
from dfsubmit.console import counted

if TYPE_CHECKING:
    from pathlib import Path

    from dfsubmit.evaluation.cached import CachedRun
    from dfsubmit.evaluation.calibrate import Calibration
    from dfsubmit.scoring.decision import Decision


@click.command("calibrate", cls=GroupedOptions)
@click.argument("scores")
@labels_option
@click.option(
    "-m",
    "--model",
    required=True,
    type=ModelName(),
    help="The model that made the scores.",
)
@click.option(
    "--aggregator",
    shell_complete=complete_aggregators,
    metavar="SPEC",
    help="Fit for this aggregator. Default: the run's own.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of folds and bootstrap.")
@click.option("--dry-run", is_flag=True, help="Print the figures and write nothing.")
@click.option("--force", is_flag=True, help="Write even if the gain may be chance.")
@json_option
@progress_option
@plugin_options
@debug_option
def command(
    scores: str,
    labels: str,
    model: str,
    aggregator: str | None,
    seed: int,
    dry_run: bool,
    force: bool,
    as_json: bool,
    progress: bool,
    plugins_dir: tuple[str, ...],
    strict: bool,
) -> None:
    """Fit temperature and threshold for macro F1 and write dfsubmit_decision.json.

    SCORES is the .scores.jsonl of a run with this model on labelled files. The figure
    "after" is out of fold: each file is evaluated with values that were fitted without it. The file
    is written only if the 95 % interval of the gain is above 0.
    """
    from dfsubmit.evaluation.cached import read_cached_run
    from dfsubmit.evaluation.calibrate import calibrate
    from dfsubmit.evaluation.labels import read_labels
    from dfsubmit.evaluation.reports.tables import jsonable
    from dfsubmit.files import check_output
    from dfsubmit.hooks.loading import load_plugins
    from dfsubmit.intervals.groups import group_numbers
    from dfsubmit.scoring.aggregate import DEFAULT_AGGREGATOR
    from dfsubmit.scoring.decision import DECISION_FILE, read_decision, write_decision

    plugins = load_plugins(plugins_dir, strict)
    labelled = read_labels(labels)
    run = read_cached_run(scores, labelled)
    folder = _model_folder(model, run)
    path, replaced = folder / DECISION_FILE, read_decision(folder)
    if not dry_run:
        check_output(path)
    chosen = plugins.aggregator(aggregator or run.meta.get("aggregator") or DEFAULT_AGGREGATOR)
    groups = group_numbers([labelled[name].group for name in run.files])
    calibration = calibrate(run, chosen, groups, seed, progress)
    written = (calibration.gains or force) and not dry_run
    if written:
        write_decision(folder, calibration.decision)
    if as_json:
        click.echo(json.dumps(jsonable(_as_json(calibration, path, written)), indent=2))
    else:
        click.echo(_as_text(calibration))
        click.echo("\n" + _what_was_done(calibration, path, written, dry_run, replaced))
    if written:
        ending("run", "DATA", "--model", model)


def _model_folder(model: str, run: CachedRun) -> Path:
    """The folder to write into.

    Raises:
        UsageError: it is a zip, or another model than the one that made the scores, or it is not
            known which one that was.
    """
    from dfsubmit.errors import UsageError
    from dfsubmit.models.folder import open_model

    folder = open_model(model)
    if folder.source.is_file():
        raise UsageError(f"{model} is a zip", "unpack it: the decision is written into the folder")
    made_by = (run.meta.get("model") or {}).get("sha256")
    if not made_by:
        raise UsageError(
            f"no {run.name}.meta.json says which model made the scores",
            "keep it beside the scores, or run again: dfsubmit run DATA --model " + model,
        )
    if made_by != folder.sha256:
        raise UsageError(
            f"the scores {run.name!r} were made by another model than {model}",
            "run the model first: dfsubmit run DATA --model " + model,
        )
    return folder.path


def _as_json(calibration: Calibration, path: Path, written: bool) -> dict[str, Any]:
    return {
        "path": str(path),
        "written": written,
        "aggregator": calibration.decision.aggregator,
        "temperature": calibration.decision.temperature,
        "threshold": calibration.decision.threshold,
        "files": calibration.files,
        "folds": calibration.folds,
        "before": calibration.before,
        "after_out_of_fold": calibration.after,
        "gain": calibration.gain,
        "gain_ci": calibration.gain_interval,
    }


def _as_text(calibration: Calibration) -> str:
    from dfsubmit.console import table
    from dfsubmit.evaluation.reports.tables import number, span
    from dfsubmit.metrics import TITLES

    rows = [
        [TITLES[name], number(calibration.before[name]), number(calibration.after[name])]
        for name in calibration.before
    ]
    if calibration.gains:
        verdict = "The gain is larger than chance explains."
    elif calibration.gain > 0:
        verdict = f"The gain cannot be told from chance on {counted(calibration.files, 'file')}."
    else:
        verdict = "It does not help on files that it has not seen."
    interval = span(*calibration.gain_interval, sign=True)
    gain = f"macro F1 {number(calibration.gain, sign=True)} {interval}"
    head = f"{calibration.decision.aggregator} on {counted(calibration.files, 'scored file')}"
    return "\n\n".join(
        [
            f"{head}, {calibration.folds} folds",
            table(["", "before", "after, out of fold"], rows),
            f"{gain}. {verdict}",
        ]
    )


def _what_was_done(
    calibration: Calibration,
    path: Path,
    written: bool,
    dry_run: bool,
    replaced: Decision | None,
) -> str:
    """What the command wrote, and how to undo it; or why it wrote nothing."""
    decision = calibration.decision
    fitted = _values(decision) + ", fitted on all files"
    if not written:
        why = "with --dry-run" if dry_run else "(--force writes it all the same)"
        return f"{fitted}: not written {why}"
    lines = [f"{fitted}, written to {path}"]
    if replaced is not None:
        lines.append(f"it replaces {_values(replaced)}, fitted for {replaced.aggregator}")
    lines.append(f"to undo it: rm {shlex.quote(str(path))}; to ignore it in one run: run --raw")
    return "\n".join(lines)


def _values(decision: Decision) -> str:
    return f"temperature {decision.temperature:.3g}, threshold {decision.threshold:.3g}"
