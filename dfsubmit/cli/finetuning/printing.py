"""What ``dfsubmit finetune`` says: the plan, a dry run, the outcome; and these for ``--json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dfsubmit.cli.decorators import ending
from dfsubmit.console import counted, warn

if TYPE_CHECKING:
    from dfsubmit.finetuning.data.plan import Plan
    from dfsubmit.finetuning.figures import VideoFigures
    from dfsubmit.finetuning.finetune import Outcome
    from dfsubmit.finetuning.options import TuneOptions


def describe(plan: Plan, options: TuneOptions) -> None:
    """What will be learned from, in how many steps, and what to know before believing it."""
    for line in (*plan.describe(), options.step(plan.processes)):
        click.echo(line)
    for warning in plan.warnings():
        warn(warning)


def say_what_would_be_done(options: TuneOptions, has_output: bool) -> dict[str, Any]:
    """The dry run: plan, base, what learns, seconds, and what is missing for it."""
    from dfsubmit.console import duration
    from dfsubmit.finetuning import finetune as tuning
    from dfsubmit.finetuning.data.plan import make_plan
    from dfsubmit.finetuning.preparation import prepare, what_is_missing

    missing = what_is_missing(options)
    backbone = None if missing else prepare(options)
    plan = make_plan(options) if options.faces else None
    if plan:
        describe(plan, options)
    else:
        click.echo(options.step(1))
    base = backbone.origin if backbone else options.base or "the baseline"
    classes = backbone.model.config.id2label if backbone else None
    click.echo(f"base: {base}{f', classes {classes}' if classes else ''}")
    click.echo(f"learns: {options.tune}")
    seconds = tuning.estimate(plan, options, backbone) if plan and backbone else None
    if seconds is not None:
        click.echo(f"time: about {duration(seconds)} on this machine")
    if not options.faces:
        missing.append("FACES, folders made by 'dfsubmit extract'")
    if not has_output:
        missing.append("--output, the folder to write")
    for line in missing:
        click.echo(f"missing: {line}")
    return {
        "base": base,
        "classes": classes,
        "learns": options.tune,
        "steps": plan.steps if plan else None,
        "seconds": seconds,
        "warnings": plan.warnings() if plan else [],
        "missing": missing,
    }


def say_outcome(plan: Plan, options: TuneOptions, outcome: Outcome) -> dict[str, Any]:
    """Which weights were kept, their figures, and where the model is."""
    evaluations = counted(len(outcome.history), "evaluation")
    click.echo(f"kept: step {outcome.best_step}, the best of {evaluations}")
    click.echo(
        f"validation: {outcome.chosen_on}; chosen on {counted(outcome.chosen_on.groups, 'group')}, "
        "which makes it too good rather than too bad"
    )
    for name, figures in outcome.tested_on.items():
        click.echo(f"test on {name}: {figures}")
    click.echo(f"model: {options.output}")
    ending("run", "DATA", "--model", options.output)
    archive = options.output.with_name(options.output.name + ".zip")
    return {
        "model": str(options.output),
        "zip": str(archive) if options.zip else None,
        "best_step": outcome.best_step,
        "evaluations": len(outcome.history),
        "seconds": outcome.seconds,
        "validation": _figures(outcome.chosen_on),
        "test": {name: _figures(figures) for name, figures in outcome.tested_on.items()},
        "warnings": plan.warnings(),
    }


def _figures(figures: VideoFigures) -> dict[str, Any]:
    """As ``evaluate --json`` writes them: values by name, and 95 % intervals over groups."""
    return {
        "videos": figures.videos,
        "groups": figures.groups,
        **{name: value for name, (value, _, _) in figures.figures.items()},
        "intervals": {name: [low, high] for name, (_, low, high) in figures.figures.items()},
    }
