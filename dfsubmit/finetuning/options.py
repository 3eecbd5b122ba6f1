"""`TuneOptions`: all options of a fine-tuning. The defaults are EXP-004's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dfsubmit.errors import UsageError

SCRATCH = "scratch:"
"""What the name of a network to build from nothing begins with."""

TUNES = ("all", "norm", "head")
"""What may learn, beside ``from:NAME`` and ``lora:r=N``."""

FROM = "from:"
"""What the name of the first layer that learns begins with."""


@dataclass(frozen=True)
class TuneOptions:
    """What to fine-tune, on what, and how.

    Attributes:
        faces: folders that `dfsubmit extract` wrote.
        output: the new model folder.
        base: see `backbones.load_backbone`.
        new_head: replace the base's classification head.
        teacher: a fine-tuned model to learn from beside the labels (Hinton et al., 2015; see
            `networks.teacher`); None learns from labels alone.
        image_size: side of the input of a ``scratch:`` network; None takes its usual one.
        hold_out: data sets that only test (as in Li et al., "Celeb-DF", CVPR 2020).
        allow_shared: allow people in the training set who are also held out, or validated on by
            the data's own split.
        split: "group", or "frame" (EXP-004's own, which leaks).
        val: share of the faces that validates (EXP-004).
        epochs: times that every face is shown (EXP-004).
        batch_size, eval_batch_size: faces per batch and process (EXP-004).
        accumulate: batches whose gradients add up to one step (Ott et al., "Scaling Neural Machine
            Translation", WMT 2018).
        gradient_checkpointing: compute activations twice instead of keeping them (Chen et al.,
            "Training Deep Nets with Sublinear Memory Cost", 2016): less memory, the same figures.
        lr: peak learning rate of AdamW (Loshchilov and Hutter, "Decoupled Weight Decay
            Regularization", ICLR 2019), whatever the batch comes to over all processes.
        weight_decay: of matrices and kernels (the same).
        warmup: share of the steps in which the rate rises (Goyal et al., "Accurate, Large
            Minibatch SGD", 2017).
        schedule: how it falls: "linear" (EXP-004) or "cosine" (Loshchilov and Hutter, "SGDR",
            ICLR 2017, one period).
        eval_steps: steps between evaluations; None: 200, less where that would be under four.
        patience: evaluations without a better one until it stops (Prechelt, "Early Stopping – But
            When?", 1998); None never stops early.
        augment: a key of `augment.STRENGTHS` (Wang et al., CVPR 2020, and others, see there).
        balance: see `epochs.FaceSampler`.
        self_blend: share of self-blended images (Shiohara and Yamasaki, CVPR 2022), see
            `epochs.FaceSampler`.
        tune: "all", "norm", "head", "from:NAME" (Yosinski et al., NeurIPS 2014) or "lora:r=16",
            see `backbones.tune_only`.
        label_smoothing: of the loss, in [0, 1) (Szegedy et al., CVPR 2016).
        ema: decay of the moving average of the weights (Tarvainen and Valpola, NeurIPS 2017, see
            `networks.averaging`); None keeps none.
        seed: of everything random.
        split_seed: of the split alone; None takes `seed`. Models for a soup (Wortsman et al., ICML
            2022) need one split.
        device: "auto", "cpu" or "cuda".
        precision: of the arithmetic: "auto" (fp16 on CUDA, fp32 on CPU), "fp32", "bf16" (Kalamkar
            et al., 2019), "fp16" (Micikevicius et al., "Mixed Precision Training", ICLR 2018).
        save_precision: of the saved weights: "fp32" or "fp16".
        workers: processes that read and augment; None: all CPUs but one, at most 8.
        zip: also write OUTPUT.zip.
        report_to: "none", "tensorboard" or "wandb", see `reporting`.
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
    accumulate: int = 1
    gradient_checkpointing: bool = False
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
    split_seed: int | None = None
    device: str = "auto"
    precision: str = "auto"
    save_precision: str = "fp32"
    workers: int | None = None
    zip: bool = False
    report_to: str = "none"
    progress: bool = True

    def step(self, processes: int) -> str:
        """What one step learns from and at which rate, for people.

        The rate is not scaled with the number of processes. Whoever wants it in proportion to the
        batch (Goyal et al., "Accurate, Large Minibatch SGD", 2017) gives it so.
        """
        faces = self.batch_size * processes * self.accumulate
        return (
            f"a step: {faces:,} faces, {self.batch_size} x {processes} "
            f"process{'es' if processes > 1 else ''} x {self.accumulate} accumulated; "
            f"peak learning rate {self.lr:g}, not scaled with them"
        )


def usual_lr(base: str | None) -> float:
    """The peak learning rate where none is given: EXP-004's 2e-5 for what is pretrained; 1e-3 for a
    new network, with which a small one was made (docs/small-model.md)."""
    return 1e-3 if base is not None and base.startswith(SCRATCH) else 2e-5


def parse_lora(tune: str) -> tuple[int, int] | None:
    """Rank and alpha of ``lora``, ``lora:r=16`` or ``lora:r=16,alpha=32``; None for a key of
    `TUNES` and for ``from:NAME``. Without a rank it is 16, and alpha is the rank.

    Raises:
        UsageError: it is neither.
    """
    if tune in TUNES or (tune.startswith(FROM) and tune != FROM):
        return None
    found = re.fullmatch(r"lora(?::r=(\d+)(?:,alpha=(\d+))?)?", tune)
    rank = int(found[1] or 16) if found else 0
    if found is None or rank == 0:
        raise UsageError(
            f"--tune {tune}",
            f"known: {', '.join(TUNES)}, from:NAME, lora:r=16 and lora:r=16,alpha=32",
        )
    return rank, int(found[2] or rank)
