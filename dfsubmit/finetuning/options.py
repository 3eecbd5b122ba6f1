"""`TuneOptions`: everything a user may ask of a fine-tuning. The defaults are EXP-004's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TuneOptions:
    """What to fine-tune, on what, and how.

    Attributes:
        faces: folders that `dfsubmit extract` wrote.
        output: the new model folder.
        base: see `backbones.load_backbone`.
        new_head: replace the base's classification head.
        teacher: a fine-tuned model to learn from beside the labels; None learns from labels alone.
        image_size: side of the input of a ``scratch:`` network; None takes its usual one.
        hold_out: data sets that only test.
        allow_shared: go on where people that are learned from are also held out, or validated on
            by the data's own split.
        split: "group", or "frame" (EXP-004's own, which leaks).
        val: share of the faces that validates.
        epochs: times that every face is shown.
        batch_size, eval_batch_size: faces a step, of each process.
        lr: peak learning rate of AdamW.
        weight_decay: of matrices and kernels.
        warmup: share of the steps in which the rate rises.
        schedule: "linear" or "cosine".
        eval_steps: steps between evaluations; None: 200, less where that would be under four.
        patience: evaluations without a better one until it stops; None never stops early.
        augment: a key of `augment.STRENGTHS`.
        balance: see `sampling.FaceSampler`.
        self_blend: see `sampling.FaceSampler`.
        tune: "all", "norm" or "head".
        label_smoothing: of the loss, in [0, 1).
        ema: decay of the moving average of the weights; None keeps none.
        seed: of everything random.
        device: "auto", "cpu" or "cuda".
        precision: of the arithmetic: "auto" (fp16 on CUDA, fp32 on CPU), "fp32", "bf16", "fp16".
        save_precision: of the saved weights: "fp32" or "fp16".
        workers: processes that read and augment; None: all CPUs but one, at most 8.
        zip: also write OUTPUT.zip.
        progress: show progress on stderr.
    """

    faces: tuple[Path, ...]
    output: Path
    base: str | None = None
    new_head: bool = False
    teacher: str | None = None
    image_size: int | None = None
    hold_out: tuple[str, ...] = ()
    allow_shared: bool = False
    split: str = "group"
    val: float = 0.2
    epochs: int = 3
    batch_size: int = 16
    eval_batch_size: int = 32
    lr: float = 2e-5
    weight_decay: float = 0.01
    warmup: float = 0.1
    schedule: str = "linear"
    eval_steps: int | None = None
    patience: int | None = None
    augment: str = "none"
    balance: bool = False
    self_blend: float = 0.0
    tune: str = "all"
    label_smoothing: float = 0.0
    ema: float | None = None
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    save_precision: str = "fp32"
    workers: int | None = None
    zip: bool = False
    progress: bool = True
