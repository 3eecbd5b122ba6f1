"""Hugging Face's Trainer, extended for fine-tuning on faces.

Adds: faces in the sampler's order, metrics per frame and per video at every evaluation, the best
weights, a moving average of the weights, and checkpoints from which a resumed run gives the same
result.
"""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch.utils.data import DataLoader
from transformers import EvalPrediction, Trainer, TrainerCallback
from transformers.utils import SAFE_WEIGHTS_NAME

from dfsubmit.console import progress_bar
from dfsubmit.errors import DfsubmitError
from dfsubmit.extraction.index import FaceRow
from dfsubmit.finetuning.data.dataset import single_threaded
from dfsubmit.finetuning.data.epochs import FaceSampler
from dfsubmit.finetuning.figures import face_metrics
from dfsubmit.finetuning.networks.averaging import WeightAverage
from dfsubmit.finetuning.networks.backbones import frozen_statistics
from dfsubmit.finetuning.networks.checkpoints import AVERAGE, BEST, Checkpoints
from dfsubmit.finetuning.networks.teacher import SHARE, Teacher
from dfsubmit.records import FloatArray

BEST_BY = "macro_f1"
PROGRESS = {"loss": "loss", "macro_f1": "F1", "f1_fake": "F1 fake"} | {
    "video_macro_f1": "video F1",
    "video_auc": "video AUC",
}
"""The figures of the progress line, and what it calls them."""


class FaceTrainer(Trainer):  # type: ignore[misc]
    """A Trainer that draws faces from a `FaceSampler`.

    Args:
        sampler: what an epoch shows, in order.
        smoothing: label smoothing of the loss that is learned from (Szegedy et al., CVPR 2016);
            the loss that is reported has none.
        average: the moving average of the weights, evaluated in place of the weights; or None.
        teacher: judges the learning faces beside their labels; or None.
    """

    def __init__(
        self,
        *,
        sampler: FaceSampler,
        smoothing: float = 0.0,
        average: WeightAverage | None = None,
        teacher: Teacher | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        # `compute_loss` gives a batch's mean; the Trainer is to divide it over accumulated batches.
        self.model_accepts_loss_kwargs = False
        self.sampler = sampler
        self.smoothing = smoothing
        self.average = average
        self.teacher = teacher
        self.still = frozen_statistics(self.model)

    def get_train_dataloader(self) -> Any:
        """Batches of the sampler's draws."""
        workers = self.args.dataloader_num_workers
        if workers:
            single_threaded()
        loader = DataLoader(
            self.train_dataset,
            batch_size=self.args.per_device_train_batch_size,
            sampler=self.sampler,
            collate_fn=self.data_collator,
            num_workers=workers,
            pin_memory=self.args.dataloader_pin_memory,
            worker_init_fn=single_threaded if workers else None,
        )
        return self.accelerator.prepare(loader)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Cross entropy, the batch's mean; while learning, mostly the teacher's if there is one."""
        if model.training:
            for module in self.still:  # the Trainer puts the whole model into learning mode
                module.eval()
        pixel_values = inputs["pixel_values"]
        outputs = model(pixel_values=pixel_values)
        logits = outputs.logits.float()
        loss = torch.nn.functional.cross_entropy(
            logits, inputs["labels"], label_smoothing=self.smoothing if model.training else 0.0
        )
        if self.teacher and model.training:
            loss = (1 - SHARE) * loss + SHARE * self.teacher.loss(logits, pixel_values)
        return (loss, {"logits": outputs.logits}) if return_outputs else loss

    def get_decay_parameter_names(self, model: Any) -> list[str]:
        """Weight decay is for matrices and kernels, not for biases and normalisation."""
        return [name for name, parameter in model.named_parameters() if parameter.ndim > 1]

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write a checkpoint's weights under the names that the model has now.

        transformers 5 saves some models with old parameter names, but resumes with a
        ``load_state_dict`` that ignores unknown names: a resumed ViT would continue with random
        layers, without an error.
        """
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            save_weights(self.model, folder / SAFE_WEIGHTS_NAME)

    def evaluate(self, *arguments: Any, **named: Any) -> dict[str, float]:
        """The Trainer's own, of the averaged weights where there are such."""
        with self.average.applied(self.model) if self.average else nullcontext():
            figures: dict[str, float] = super().evaluate(*arguments, **named)
        return figures


def save_weights(model: Any, path: Path) -> None:
    """Write a model's state as safetensors, for `load_state_dict` to read back."""
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)


class FaceScorer:
    """The Trainer's ``compute_metrics``: logits of the validation faces → figures.

    Args:
        rows: the validation faces, in order.
        classes: the model's own index of real and of fake.
    """

    def __init__(self, rows: list[FaceRow], classes: tuple[int, int]) -> None:
        self.rows, self.classes = rows, classes

    def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
        """All figures over all faces, and again for each of several data sets."""
        p_fake = probability_of_fake(prediction.predictions, self.classes)
        expected = [self.classes[row.label] for row in self.rows]
        if prediction.label_ids.tolist() != expected:
            raise DfsubmitError("the evaluated faces came back in another order: a bug, report it")
        figures = face_metrics(self.rows, p_fake)
        names = sorted({row.dataset for row in self.rows})
        for name in names if len(names) > 1 else ():
            own = [i for i, row in enumerate(self.rows) if row.dataset == name]
            for key, value in face_metrics([self.rows[i] for i in own], p_fake[own]).items():
                figures[f"{name}/{key}"] = value
        return figures


def probability_of_fake(logits: Any, classes: tuple[int, int]) -> FloatArray:
    """float64 (n,): the softmax of two logits (n, 2), its fake column.

    Raises:
        DfsubmitError: the logits are not finite.
    """
    values = np.asarray(logits, np.float64)
    if not np.isfinite(values).all():
        raise DfsubmitError("the model answers NaN or infinity", "take a lower --lr")
    real, fake = classes
    return np.asarray(1 / (1 + np.exp(np.clip(values[:, real] - values[:, fake], -700, 700))))


class Conductor(TrainerCallback):  # type: ignore[misc]
    """The callback for everything besides the steps.

    Sets the sampler's epoch, updates the average, asks for a last evaluation, keeps the best
    weights, marks checkpoints as whole, stops when patience ends, and shows the progress.

    Args:
        checkpoints: where the best weights and the average go.
        sampler: told which epoch begins.
        steps_per_epoch: of this process.
        average: as in `FaceTrainer`.
        patience: evaluations without improvement until it stops; None never stops early.
        seconds_before: the seconds spent before this process resumed.
        progress: show a bar on stderr.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        sampler: FaceSampler,
        steps_per_epoch: int,
        average: WeightAverage | None,
        patience: int | None,
        seconds_before: float,
        progress: bool,
    ) -> None:
        self.checkpoints = checkpoints
        self.sampler = sampler
        self.steps_per_epoch = steps_per_epoch
        self.average = average
        self.patience = patience
        self.started = time.monotonic() - seconds_before
        self.progress = progress
        self.bar: Any = None

    @property
    def seconds(self) -> float:
        """The seconds spent so far, including earlier processes."""
        return time.monotonic() - self.started

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show where it starts."""
        self.bar = progress_bar(state.max_steps, "steps", self.progress, state.global_step)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Counted from the steps, since accelerate's own count restarts when a run resumes."""
        self.sampler.epoch = state.global_step // self.steps_per_epoch

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After each optimiser step."""
        if self.average:
            self.average.update(kwargs["model"], state.global_step)
        if state.global_step >= state.max_steps:
            control.should_evaluate = True
        self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop on a loss that is NaN or infinite, which never recovers."""
        loss = (kwargs.get("logs") or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise DfsubmitError(
                f"the loss is {loss} at step {state.global_step}", "take a lower --lr"
            )

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the weights if they are the best so far; print the figures."""
        figures = kwargs["metrics"]
        figure = figures[f"eval_{BEST_BY}"]
        best = self.checkpoints.best()
        evaluated = [e for e in state.log_history if "eval_loss" in e]
        if best is None and any(e["step"] < state.global_step for e in evaluated):
            raise DfsubmitError(
                f"{self.checkpoints.folder / BEST} was removed while the fine-tuning went on",
                "give the same command again: it goes on from the last checkpoint",
            )
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # all have read it before the first one replaces it
        best_step = best.step if best else -1
        if best is None or figure > best.figure:
            best_step = state.global_step
            if state.is_world_process_zero:
                self.checkpoints.keep_best(
                    best_step, figure, lambda path: save_weights(kwargs["model"], path)
                )
        later = [e for e in evaluated if e["step"] > best_step]
        if self.patience is not None and len(later) >= self.patience:
            control.should_training_stop = True
        if self.bar is not None and self.bar.shown:
            line = {
                text: f"{figures[f'eval_{key}']:.3f}"
                for key, text in PROGRESS.items()
                if f"eval_{key}" in figures
            }
            listing = "  ".join(f"{text} {value}" for text, value in line.items())
            self.bar.write(f"step {state.global_step}: {listing}")
            self.bar.note = listing

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """All processes have written their part of the checkpoint: it is whole."""
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if state.is_world_process_zero:
            folder = self.checkpoints.folder / f"checkpoint-{state.global_step}"
            if self.average:
                self.average.save(folder / AVERAGE)
            self.checkpoints.complete(state.global_step, self.seconds)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the line as it is."""
        self.bar.close()
