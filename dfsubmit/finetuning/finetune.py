"""A `Plan` → a model folder: the steps of ``dfsubmit finetune`` in order."""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainingArguments

from dfsubmit.console import warn
from dfsubmit.finetuning.data.augment import STRENGTHS
from dfsubmit.finetuning.data.dataset import Collator, LearningFaces, ValidationFaces
from dfsubmit.finetuning.data.plan import Plan, world
from dfsubmit.finetuning.figures import (
    VideoFigures,
    face_metrics,
    method_metrics,
    video_figures,
)
from dfsubmit.finetuning.networks.averaging import WeightAverage
from dfsubmit.finetuning.networks.backbones import Backbone, tune_only
from dfsubmit.finetuning.networks.checkpoints import AVERAGE, Checkpoints
from dfsubmit.finetuning.networks.lora import merge_lora
from dfsubmit.finetuning.networks.teacher import Teacher, load_teacher
from dfsubmit.finetuning.options import TuneOptions
from dfsubmit.finetuning.preparation import choose_precision
from dfsubmit.finetuning.reporting import finish, reporters
from dfsubmit.finetuning.trainer import Conductor, FaceScorer, FaceTrainer, probability_of_fake
from dfsubmit.models.huggingface import choose_device

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a fine-tuning: all values of the report.

    Attributes:
        history: every evaluation: step, epoch, and its figures by name.
        losses: (step, loss of the faces learned from).
        best_step: of the weights that were kept.
        validation: their figures on the validation faces, as saved (rounded to
            `save_precision`).
        test: the same for each data set that only tests.
        chosen_on: the validation figures over videos. These faces also chose the weights.
        tested_on: the same for each data set that only tests, which chose nothing.
        methods: for "validation" and "test" `faces`, the entries of `method_metrics`.
        seconds: spent learning and evaluating.
        parameters: (that learned, of all).
        origin: what the model was made from.
        device, precision: of the arithmetic.
    """

    history: list[dict[str, float]]
    losses: list[tuple[int, float]]
    best_step: int
    validation: dict[str, float]
    test: dict[str, dict[str, float]]
    chosen_on: VideoFigures
    tested_on: dict[str, VideoFigures]
    methods: list[dict[str, str | int | float]]
    seconds: float
    parameters: tuple[int, int]
    origin: str
    device: str
    precision: str


def finetune(plan: Plan, options: TuneOptions, backbone: Backbone) -> Outcome:
    """Fine-tune the base from `prepare` by the plan; resumes by itself. Saves only checkpoints.

    Raises:
        ModelError, UsageError: the teacher cannot be used, or the output belongs to another run.
        DfsubmitError: the loss is NaN or infinite.
    """
    rank = world()[0]
    teacher = load_teacher(options.teacher, backbone, plan.recipe) if options.teacher else None
    parameters = tune_only(backbone.model, options.tune)
    # The convolutions of a network in this layout run about twice as fast on CPUs.
    backbone.model.to(memory_format=torch.channels_last)
    checkpoints = Checkpoints(options.output / CHECKPOINTS)
    resume_from = _open(checkpoints, plan, options, rank)
    average = WeightAverage(backbone.model, options.ema) if options.ema else None
    if average and resume_from:
        average.load(resume_from / AVERAGE)
    conductor = Conductor(
        checkpoints,
        plan.sampler,
        plan.steps_per_epoch,
        average,
        options.patience,
        checkpoints.seconds(resume_from),
        options.progress and rank == 0,
    )
    trainer = _trainer(plan, options, backbone, average, teacher, conductor)
    resumed_at = int(resume_from.name.split("-")[1]) if resume_from else 0
    told = reporters(options.report_to, options.output, resumed_at) if rank == 0 else []
    for callback in told:
        trainer.add_callback(callback)
    trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    for callback in told:  # what is scored from here on is several data sets together
        trainer.remove_callback(callback)
    if told:
        finish(options.report_to)
    trainer.average = None  # from here on, the best weights
    best_step = _restore_best(backbone.model, checkpoints, options.save_precision)
    return _outcome(trainer, plan, backbone, options, best_step, conductor.seconds, parameters)


def estimate(plan: Plan, options: TuneOptions, backbone: Backbone) -> float:
    """The seconds that learning would take here, from two timed steps."""
    teacher = load_teacher(options.teacher, backbone, plan.recipe) if options.teacher else None
    tune_only(backbone.model, options.tune)
    device = choose_device(options.device)
    model = backbone.model.to(device=device, memory_format=torch.channels_last).train()
    size = backbone.preprocessor
    faces = torch.randn(options.batch_size, 3, size.height, size.width, device=device)
    precision = choose_precision(options, device)
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    seconds = 0.0
    for _ in range(2):  # the first one pays for what is set up once
        started = time.perf_counter()
        with torch.autocast(device.type, dtype, enabled=precision != "fp32"):
            logits = model(pixel_values=faces).logits.float()
            loss = teacher.loss(logits, faces) if teacher else logits.mean()
        loss.backward()
        loss.item()
        seconds = time.perf_counter() - started
    evaluations = plan.steps // plan.eval_steps + 1
    # A face that is only scored costs about a third of one that is learned from.
    scored = evaluations * len(plan.split.validate) / 3 / options.batch_size / plan.processes
    return seconds * (plan.steps * options.accumulate + scored)


def _open(checkpoints: Checkpoints, plan: Plan, options: TuneOptions, rank: int) -> Path | None:
    """The checkpoint to resume from. The first process prepares the folder for all."""
    # What may differ between the runs that together make one model is left out.
    neutral = {"output", "workers", "zip", "progress", "device", "faces", "report_to"}
    settings = {
        key: value for key, value in dataclasses.asdict(options).items() if key not in neutral
    }
    settings["number of faces"] = [len(plan.split.learn), len(plan.split.validate)]
    settings["number of processes"] = plan.processes
    checkpoint = checkpoints.open(settings, warn) if rank == 0 else None
    if plan.processes > 1:
        from accelerate import PartialState

        PartialState(cpu=choose_device(options.device).type == "cpu").wait_for_everyone()
        checkpoint = checkpoints.last()
    return checkpoint


def _trainer(
    plan: Plan,
    options: TuneOptions,
    backbone: Backbone,
    average: WeightAverage | None,
    teacher: Teacher | None,
    conductor: Conductor,
) -> FaceTrainer:
    device = choose_device(options.device)
    precision = choose_precision(options, device)
    workers = options.workers
    if workers is None:
        workers = min(8, max(0, (os.cpu_count() or 1) // plan.processes - 1))
    arguments = TrainingArguments(
        output_dir=str(conductor.checkpoints.folder),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.eval_batch_size,
        gradient_accumulation_steps=options.accumulate,
        # Some networks have layers that their logits do not depend on.
        ddp_find_unused_parameters=True if plan.processes > 1 else None,
        learning_rate=options.lr,
        weight_decay=options.weight_decay,
        lr_scheduler_type=options.schedule,
        # A whole number: the ratio that EXP-004 gave is gone from current transformers.
        warmup_steps=plan.warmup_steps,
        eval_strategy="steps",
        eval_steps=plan.eval_steps,
        save_strategy="steps",
        save_steps=plan.eval_steps,
        # The one before must outlive the writing of the next.
        save_total_limit=2,
        logging_steps=max(1, plan.eval_steps // 10),
        fp16=precision == "fp16",
        bf16=precision == "bf16",
        use_cpu=device.type == "cpu",
        ddp_backend="gloo" if device.type == "cpu" and plan.processes > 1 else None,
        seed=options.seed,
        dataloader_num_workers=workers,
        dataloader_pin_memory=device.type == "cuda",
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to="none",  # `reporters` makes the callbacks
        run_name=options.output.resolve().name,
    )
    learn, validate = (
        ValidationFaces(*plan.side(side), backbone.preprocessor, backbone.classes)
        for side in (plan.split.learn, plan.split.validate)
    )
    trainer = FaceTrainer(
        model=backbone.model,
        args=arguments,
        sampler=plan.sampler,
        smoothing=options.label_smoothing,
        average=average,
        teacher=teacher,
        train_dataset=LearningFaces(
            learn,
            STRENGTHS[options.augment],
            [plan.rows[i].box for i in plan.split.learn],
            plan.recipe,
            [plan.rows[i].landmarks for i in plan.split.learn],
        ),
        eval_dataset=validate,
        data_collator=Collator(backbone.preprocessor),
        compute_metrics=FaceScorer([plan.rows[i] for i in plan.split.validate], backbone.classes),
        callbacks=[conductor],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _restore_best(model: Any, checkpoints: Checkpoints, save_precision: str) -> int:
    """Put the best weights into the model, rounded as they will be saved; gives their step."""
    from safetensors.torch import load_file

    model.load_state_dict(load_file(checkpoints.best_weights()))
    merge_lora(model)
    if save_precision == "fp16":
        model.half().float()
    best = checkpoints.best()
    assert best is not None  # whose weights these are
    return best.step


def _outcome(
    trainer: Trainer,
    plan: Plan,
    backbone: Backbone,
    options: TuneOptions,
    best_step: int,
    seconds: float,
    parameters: tuple[int, int],
) -> Outcome:
    """Score the kept weights on everything that does not teach."""
    faces = [*plan.split.validate, *plan.split.test]
    rows = [plan.rows[i] for i in faces]
    dataset = ValidationFaces(*plan.side(faces), backbone.preprocessor, backbone.classes)
    trainer.compute_metrics = None
    logits = trainer.predict(dataset).predictions
    p_fake = probability_of_fake(logits, backbone.classes)
    groups = [plan.split.groups[i] for i in faces]
    middle = len(plan.split.validate)
    test, tested_on = {}, {}
    for name in sorted({row.dataset for row in rows[middle:]}):
        own = [i for i in range(middle, len(rows)) if rows[i].dataset == name]
        own_rows = [rows[i] for i in own]
        test[name] = face_metrics(own_rows, p_fake[own])
        tested_on[name] = video_figures(own_rows, p_fake[own], [groups[i] for i in own])
    log = trainer.state.log_history
    device = trainer.args.device
    return Outcome(
        history=[
            {key.removeprefix("eval_"): value for key, value in entry.items()}
            for entry in log
            if "eval_loss" in entry
        ],
        losses=[(entry["step"], entry["loss"]) for entry in log if "loss" in entry],
        best_step=best_step,
        validation=face_metrics(rows[:middle], p_fake[:middle]),
        test=test,
        chosen_on=video_figures(rows[:middle], p_fake[:middle], groups[:middle]),
        tested_on=tested_on,
        methods=[
            {"faces": name, **entry}
            for name, part in (("validation", slice(middle)), ("test", slice(middle, None)))
            for entry in method_metrics(rows[part], p_fake[part])
        ],
        seconds=seconds,
        parameters=parameters,
        origin=backbone.origin,
        device=str(device),
        precision=choose_precision(options, device),
    )


def forget_checkpoints(options: TuneOptions) -> None:
    """Remove what only served to resume: the model folder is complete."""
    Checkpoints(options.output / CHECKPOINTS).remove()
