"""``dfsubmit finetune``: a model folder from extracted faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dfsubmit.cli.decorators import debug_option, progress_option
from dfsubmit.errors import NotInstalled

_PROBABILITY = click.FloatRange(0, 1)


@click.command("finetune")
@click.argument("faces", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="The model folder.")
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
    help="A fine-tuned model to learn from beside the labels (distillation): folder or zip.",
)
@click.option("--image-size", type=int, help="Input side of a scratch network.")
@click.option("--hold-out", multiple=True, metavar="DATASET", help="Only test on it. Repeatable.")
@click.option(
    "--allow-shared",
    is_flag=True,
    help="Hold out, or keep a given split, although people learned from are in it.",
)
@click.option(
    "--split",
    type=click.Choice(["group", "frame"]),
    default="group",
    show_default=True,
    help="By identity; or by frame, as EXP-004 did, whose figures do not hold.",
)
@click.option("--val", type=float, default=0.2, show_default=True, help="Share to validate on.")
@click.option("--epochs", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True)
@click.option("--eval-batch-size", type=click.IntRange(min=1), default=32, show_default=True)
@click.option("--lr", type=float, default=2e-5, show_default=True, help="Peak learning rate.")
@click.option("--weight-decay", type=float, default=0.01, show_default=True)
@click.option("--warmup", type=_PROBABILITY, default=0.1, show_default=True, help="Of the steps.")
@click.option(
    "--schedule", type=click.Choice(["linear", "cosine"]), default="linear", show_default=True
)
@click.option("--eval-steps", type=click.IntRange(min=1), help="[default: 200, less on small data]")
@click.option("--patience", type=click.IntRange(min=1), help="Evaluations without a better one.")
@click.option(
    "--augment",
    type=click.Choice(["none", "standard", "strong"]),
    default="none",
    show_default=True,
)
@click.option("--balance", is_flag=True, help="Equal classes; fakes beside reals of their group.")
@click.option("--self-blend", type=_PROBABILITY, default=0.0, help="Share of self-blended fakes.")
@click.option(
    "--tune",
    type=click.Choice(["all", "norm", "head"]),
    default="all",
    show_default=True,
    help="What learns: everything, normalisation layers and head, or the head.",
)
@click.option("--label-smoothing", type=click.FloatRange(0, 0.99), default=0.0)
@click.option(
    "--ema",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="DECAY",
    help="Keep a moving average of the weights, such as 0.999.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
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
@click.option("--workers", type=click.IntRange(min=0), help="Processes that read and augment.")
@click.option("--zip", is_flag=True, help="Also write OUTPUT.zip.")
@click.option("--dry-run", is_flag=True, help="Print sizes, steps and an estimate of time.")
@progress_option
@debug_option
def command(faces: tuple[Path, ...], dry_run: bool, **values: Any) -> None:
    """Fine-tune an image classifier on the faces in FACES (folders made by 'dfsubmit extract').

    Resumes by itself after a kill. For several GPUs, start it through torchrun or accelerate
    launch: torchrun --nproc-per-node 2 -m dfsubmit finetune …
    """
    for package in ("accelerate", "matplotlib", "jinja2"):
        _require(package)
    from dfsubmit.console import duration
    from dfsubmit.finetuning import finetune as tuning
    from dfsubmit.finetuning.data.plan import make_plan, world
    from dfsubmit.finetuning.options import TuneOptions

    options = TuneOptions(faces=faces, **values)
    first = world()[0] == 0
    backbone = tuning.prepare(options)
    plan = make_plan(options)
    if first:
        for line in plan.describe():
            click.echo(line)
        for warning in plan.warnings():
            click.echo(f"warning: {warning}", err=True)
    if dry_run:
        seconds = tuning.estimate(plan, options, backbone)
        click.echo(f"base: {backbone.origin}, classes {backbone.model.config.id2label}")
        click.echo(f"time: about {duration(seconds)} on this machine")
        return
    outcome = tuning.finetune(plan, options, backbone)
    if not first:
        return
    from dfsubmit.finetuning.model_writer import write_model

    write_model(backbone, plan, options, outcome)
    tuning.forget_checkpoints(options)
    click.echo(f"kept: step {outcome.best_step}, the best of {len(outcome.history)} evaluations")
    click.echo(
        f"validation: {outcome.chosen_on}; chosen on these {outcome.chosen_on.groups:,} groups, "
        "which makes it too good rather than too bad"
    )
    for name, figures in outcome.tested_on.items():
        click.echo(f"test on {name}: {figures}")
    click.echo(f"model: {options.output}")


def _require(package: str) -> None:
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise NotInstalled.extra("finetune", "finetune", package)
