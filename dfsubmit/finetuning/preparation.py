"""Options → the base model, after checks that need no faces."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.finetuning.networks.backbones import Backbone, load_backbone, locate
from dfsubmit.finetuning.networks.lora import need_peft
from dfsubmit.finetuning.options import SCRATCH, TuneOptions, parse_lora
from dfsubmit.finetuning.reporting import need_reporter
from dfsubmit.models.arithmetic import cpu_has_bf16


def what_is_missing(options: TuneOptions) -> list[str]:
    """What is missing on this machine, each with a remedy. Nothing is loaded."""
    bases = dict.fromkeys((options.base, options.teacher or options.base))
    checks: list[Callable[[], object]] = [
        partial(locate, name) for name in bases if not (name or "").startswith(SCRATCH)
    ]
    checks.append(partial(need_reporter, options.report_to))
    if parse_lora(options.tune):
        checks.append(need_peft)
    lines = []
    for check in checks:
        try:
            check()
        except DfsubmitError as error:
            lines.append(f"{error.message} ({error.hint})")
    return lines


def prepare(options: TuneOptions) -> Backbone:
    """The base, ready to be fine-tuned.

    Raises:
        ModelError, UsageError: base, teacher, output or device cannot be used.
        NotInstalled: a package is missing.
    """
    from transformers import set_seed
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    from dfsubmit.models.huggingface import choose_device

    set_verbosity_error()  # it reports every new head at length; missing weights are found here
    disable_progress_bar()  # transformers' own, one for every file that it reads and writes
    if (options.output / "config.json").exists():
        raise UsageError(
            f"{options.output} holds a model already", "name another --output, or remove it"
        )
    choose_precision(options, choose_device(options.device))
    if options.teacher and not options.teacher.startswith(SCRATCH):
        locate(options.teacher)
    if parse_lora(options.tune):
        need_peft()
    need_reporter(options.report_to)
    set_seed(options.seed)
    backbone = load_backbone(options.base, options.image_size, options.new_head)
    if options.gradient_checkpointing:
        if not backbone.model.supports_gradient_checkpointing:
            raise UsageError(
                f"--gradient-checkpointing: {type(backbone.model).__name__} has none",
                "take a smaller --batch-size and more --accumulate instead",
            )
        # Called so since transformers 5.
        new_name = getattr(backbone.model, "activation_checkpointing_enable", None)
        (new_name or backbone.model.gradient_checkpointing_enable)({"use_reentrant": False})
    return backbone


def choose_precision(options: TuneOptions, device: Any) -> str:
    """ "fp32", "bf16" or "fp16", as asked for or as suits the device.

    Raises:
        UsageError: the device has it not.
    """
    if options.precision == "fp16" and device.type == "cpu":
        raise UsageError("--precision fp16 needs a GPU", "on a CPU, take bf16 or fp32")
    if options.precision == "bf16" and device.type == "cpu" and not cpu_has_bf16():
        raise UsageError(
            "--precision bf16: this CPU has no bf16 instructions, and would take far longer than "
            "in fp32",
            "take fp32",
        )
    if options.precision != "auto":
        return options.precision
    return "fp16" if device.type == "cuda" else "fp32"
