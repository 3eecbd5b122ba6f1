"""``dfsubmit finetune``: a model folder from extracted faces."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from dfsubmit.cli.decorators import debug_option, json_option, progress_option
from dfsubmit.cli.finetuning.printing import describe, say_outcome, say_what_would_be_done
from dfsubmit.cli.help import GroupedOptions
from dfsubmit.errors import NotInstalled, UsageError, did_you_mean

_PROBABILITY = click.FloatRange(0, 1)
_NOT_IN_PRESETS = {"faces", "output", "preset", "list_presets", "dry_run", "as_json"}


def _take_preset(context: click.Context, _: click.Parameter, name: str | None) -> None:
    """Make a preset's options the defaults of this call: what is typed goes before them."""
    if name is None:
        return
    from dfsubmit.finetuning.presets import find_preset

    preset = find_preset(name)
    known = {p.name: p for p in context.command.params if p.name not in _NOT_IN_PRESETS}
    values = {}
    for key, value in preset.options.items():
        parameter = known.get(key.replace("-", "_"))
        if parameter is None:
            hint = did_you_mean(key, [str(each).replace("_", "-") for each in known])
            raise UsageError(f"--preset {name}: no option {key!r}", hint)
        values[parameter.name] = [value] if parameter.multiple and value is str(value) else value
    context.default_map = {**(context.default_map or {}), **values}  # before dfsubmit.toml's
    context.meta["preset"] = preset


def _list_presets(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from dfsubmit.finetuning.options import TuneOptions
    from dfsubmit.finetuning.preparation import what_is_missing
    from dfsubmit.finetuning.presets import PRESETS

    for preset in PRESETS.values():
        base, tune = preset.options.get("base"), preset.options.get("tune", "all")
        options = TuneOptions((), Path("OUTPUT"), base=base, tune=tune)
        click.echo(f"{preset.name}\n  options: {preset}\n  source: {preset.source}")
        for line in what_is_missing(options) or ["nothing that is not here"]:
            click.echo(f"  needs: {line}")
    context.exit()


def _tune(text: str) -> str:
    from dfsubmit.finetuning.options import parse_lora

    try:
        parse_lora(text)
    except UsageError as error:
        raise click.BadParameter(f"{text!r}; {error.hint}") from None
    return text


@click.command("finetune", cls=GroupedOptions)
@click.argument("faces", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="The model folder."
)
@click.option(
    "--preset",
    metavar="NAME|FILE",
    is_eager=True,
    expose_value=False,
    callback=_take_preset,
    help="Use the options of a preset or a JSON file; options on the command line override them.",
)
@click.option(
    "--list-presets",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_presets,
    help="List presets with their sources and requirements.",
)
@click.option(
    "--base",
    metavar="MODEL",
    help="A folder, a zip, a name in the hub cache, or scratch:NAME for a new network.  "
    "[default: the baseline if it is there, else ViT-Base from the hub cache]",
)
@click.option("--new-head", is_flag=True, help="Replace the base's classes by Real and Fake.")
@click.option(
    "--teacher",
    metavar="MODEL",
    help="Fine-tuned model for distillation: folder or zip.",
)
@click.option(
    "--image-size", type=int, help="Input size of a new network (scratch:NAME), in pixels."
)
@click.option(
    "--hold-out",
    multiple=True,
    metavar="DATASET",
    help="Use this data set only for testing. Repeatable.",
)
@click.option(
    "--allow-shared",
    is_flag=True,
    help="Allow a --hold-out or given split that shares people with the training faces.",
)
@click.option(
    "--split",
    type=click.Choice(["group", "frame"]),
    default="group",
    show_default=True,
    help="By identity; or by frame as in EXP-004, whose validation figures are too good.",
)
@click.option(
    "--val", type=float, default=0.2, show_default=True, help="Share of the faces for validation."
)
@click.option("--epochs", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True)
@click.option("--eval-batch-size", type=click.IntRange(min=1), default=32, show_default=True)
@click.option(
    "--accumulate",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Batches per optimiser step (gradient accumulation).",
)
@click.option(
    "--gradient-checkpointing", is_flag=True, help="Less memory, about a third more time."
)
@click.option(
    "--lr", type=float, help="Peak learning rate.  [default: 2e-5; 1e-3 for scratch:NAME]"
)
@click.option("--weight-decay", type=float, default=0.01, show_default=True)
@click.option(
    "--warmup", type=_PROBABILITY, default=0.1, show_default=True, help="Share of the steps."
)
@click.option(
    "--schedule", type=click.Choice(["linear", "cosine"]), default="linear", show_default=True
)
@click.option("--eval-steps", type=click.IntRange(min=1), help="[default: 200, less on small data]")
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    help="Stop after this many evaluations without improvement.",
)
@click.option(
    "--augment",
    type=click.Choice(["none", "standard", "strong"]),
    default="none",
    show_default=True,
)
@click.option(
    "--balance", is_flag=True, help="Equal classes; each fake with a real face of its group."
)
@click.option("--self-blend", type=_PROBABILITY, default=0.0, help="Share of self-blended fakes.")
@click.option(
    "--tune",
    type=_tune,
    default="all",
    metavar="PARTS",
    show_default=True,
    help="Trainable parts: all, norm (normalisation layers and head), head, from:NAME (all from "
    "the layer NAME on), or lora:r=16 (and head).",
)
@click.option("--label-smoothing", type=click.FloatRange(0, 0.99), default=0.0)
@click.option(
    "--ema",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="DECAY",
    help="Keep a moving average of the weights, such as 0.999.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--split-seed", type=int, help="Seed of the split.  [default: --seed]")
@click.option(
    "--device", default="auto", show_default=True, metavar="DEVICE", help="auto, cpu or cuda."
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
    default="auto",
    show_default=True,
    help="auto: fp16 on CUDA, fp32 on a CPU.",
)
@click.option(
    "--save-precision", type=click.Choice(["fp32", "fp16"]), default="fp32", show_default=True
)
@click.option(
    "--workers", type=click.IntRange(min=0), help="Processes that load and augment faces."
)
@click.option("--zip", is_flag=True, help="Also write OUTPUT.zip.")
@click.option(
    "--report-to",
    type=click.Choice(["none", "tensorboard", "wandb"]),
    default="none",
    show_default=True,
    help="Also log every step to OUTPUT/tensorboard or to Weights & Biases.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what would be done, what is missing, and an estimate of the time.",
)
@progress_option
@json_option
@debug_option
@click.pass_context
def command(
    context: click.Context,
    /,
    faces: tuple[Path, ...],
    output: Path | None,
    lr: float | None,
    dry_run: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Fine-tune an image classifier on the faces in FACES (folders made by 'dfsubmit extract').

    Resumes after an interruption. For several GPUs, start it with torchrun or accelerate launch:
    torchrun --nproc-per-node 2 -m dfsubmit finetune …
    """
    for package in ("accelerate", "matplotlib", "jinja2"):
        _require(package)
    if not dry_run and not (faces and output):
        raise click.UsageError("FACES and --output are needed, but for --dry-run")
    # transformers prints where it is imported: with --json, stdout is the object's alone.
    with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
        values["lr"] = lr
        result = _finetune(context.meta.get("preset"), faces, output, dry_run, values)
    if as_json and result is not None:
        from dfsubmit.evaluation.reports.tables import jsonable

        click.echo(json.dumps(jsonable(result), indent=2))


def _finetune(
    preset: Any, faces: tuple[Path, ...], output: Path | None, dry_run: bool, values: dict[str, Any]
) -> dict[str, Any] | None:
    """Do it, and say so; gives the outcome for ``--json``, in the first process."""
    from dfsubmit.console import activity

    with activity("loading torch and transformers", values["progress"]):
        from dfsubmit.finetuning import finetune as tuning
        from dfsubmit.finetuning.data.plan import make_plan, world
        from dfsubmit.finetuning.model_writer import write_model
        from dfsubmit.finetuning.options import TuneOptions, usual_lr
        from dfsubmit.finetuning.preparation import prepare
        from dfsubmit.finetuning.reporting import log_in

    if values["lr"] is None:
        values["lr"] = usual_lr(values["base"])
    options = TuneOptions(faces=faces, output=output or Path("OUTPUT"), **values)
    first = world()[0] == 0
    if first and preset:
        click.echo(f"preset {preset.name}: {preset}")
    if dry_run:
        return say_what_would_be_done(options, output is not None)
    with activity("loading the base model", options.progress and first):
        backbone = prepare(options)
    if first:
        log_in(options.report_to)
    plan = make_plan(options)
    if first:
        describe(plan, options)
    outcome = tuning.finetune(plan, options, backbone)
    if not first:
        return None
    write_model(backbone, plan, options, outcome)
    tuning.forget_checkpoints(options)
    return say_outcome(plan, options, outcome)


def _require(package: str) -> None:
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise NotInstalled.extra("finetune", "finetune", package)
