"""Options → a `Plan`: which faces, on which side, in how many steps.

Problems of the data are found here, before the first step.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from dfsubmit.console import counted, first_few
from dfsubmit.errors import UsageError
from dfsubmit.extraction.faceforensics import NOT_JOINED, not_joined
from dfsubmit.extraction.index import FaceRow, read_index
from dfsubmit.finetuning.data.dataset import unreadable_crops
from dfsubmit.finetuning.data.epochs import FaceSampler
from dfsubmit.finetuning.data.splits import Split, split_faces
from dfsubmit.finetuning.options import TuneOptions
from dfsubmit.intervals.groups import FEW_GROUPS
from dfsubmit.labels import LABELS
from dfsubmit.recipe import Recipe

EVAL_STEPS = 200
"""EXP-004's; fewer where the whole fine-tuning would have less than four evaluations."""


@dataclass(frozen=True)
class Plan:
    """What a fine-tuning will do.

    Attributes:
        rows: all readable faces.
        paths: the crop of each.
        split: which face stands where.
        recipe: how all of them were cut; it goes into the model.
        sampler: what an epoch shows.
        steps_per_epoch, steps: optimiser steps.
        warmup_steps: of these, in which the rate rises.
        eval_steps: steps between evaluations.
        unreadable: crops that were left out.
        processes: that share every step.
    """

    rows: list[FaceRow]
    paths: list[Path]
    split: Split
    recipe: Recipe
    sampler: FaceSampler
    steps_per_epoch: int
    steps: int
    warmup_steps: int
    eval_steps: int
    unreadable: int
    processes: int

    def side(self, faces: list[int]) -> tuple[list[Path], list[int]]:
        """The crops and labels of one side."""
        return [self.paths[i] for i in faces], [self.rows[i].label for i in faces]

    def warnings(self) -> list[str]:
        """Warnings about the data that affect how the metrics may be read."""
        lines = []
        split = self.split
        shared = split.shared_groups()
        if shared or split.by == "frame":
            lines.append(
                f"{'--split frame: ' if split.by == 'frame' else ''}{len(shared)} identity groups "
                "stand on both sides; the validation figures will promise what other videos do "
                "not hold"
            )
        validated = len({split.groups[i] for i in split.validate})
        if split.by == "group" and validated < FEW_GROUPS:
            lines.append(
                f"only {validated} identity groups to validate on, {FEW_GROUPS} are few: these "
                "people decide every figure, and which weights are kept"
            )
        learned = split.test_groups_learned()
        if learned:
            lines.append(
                f"{len(learned)} identity groups of the test faces are also in the training faces "
                f"({first_few(sorted(learned))}): the test figures are too good"
            )
        if split.by == "group" and not_joined(row.identities for row in self.rows):
            lines.append(f"{NOT_JOINED}: run extract again with --video-ids, which keeps the crops")
        if self.unreadable:
            lines.append(f"{self.unreadable} unreadable crops are left out")
        return lines

    def describe(self) -> list[str]:
        """The plan in lines, for people."""
        lines = []
        for name, side in self.split.sides.items():
            rows = [self.rows[i] for i in side]
            labels = Counter(row.label for row in rows)
            counts = ", ".join(f"{labels[label]:,} {word}" for word, label in LABELS.items())
            videos = len({(row.dataset, row.compression, row.video) for row in rows})
            groups = len({self.split.groups[i] for i in side})
            if side:
                lines.append(
                    f"{name}: {counted(len(rows), 'face')} ({counts}) of "
                    f"{counted(videos, 'video')} in {counted(groups, 'group')}"
                )
        lines.append(
            f"steps: {self.steps:,} ({self.steps_per_epoch:,} an epoch), warm-up "
            f"{self.warmup_steps:,}, an evaluation every {self.eval_steps:,}"
        )
        return lines


def make_plan(options: TuneOptions) -> Plan:
    """Read the faces, check them, split them, and count the steps.

    Raises:
        UsageError: the folders do not fit together, or cannot be split.
    """
    if options.self_blend > 0.5 and not options.balance:
        raise UsageError(
            f"--self-blend {options.self_blend}: without --balance every blend takes one real face "
            "and needs another beside it: 0.5 is the most",
            "add --balance, where a blend takes the place of a fake",
        )
    rows, paths, recipe = _read(options.faces)
    broken = unreadable_crops(paths, options.progress and world()[0] == 0)
    kept = [i for i, path in enumerate(paths) if path not in broken]
    rows, unreadable = [rows[i] for i in kept], len(rows) - len(kept)
    paths = [paths[i] for i in kept]
    seed = options.seed if options.split_seed is None else options.split_seed
    split = split_faces(
        rows, options.split, options.val, seed, options.hold_out, options.allow_shared
    )
    sampler = FaceSampler(
        [rows[i] for i in split.learn],
        [split.groups[i] for i in split.learn],
        options.balance,
        options.self_blend,
        options.seed,
    )
    processes = world()[1]
    batches = math.ceil(math.ceil(len(sampler) / options.batch_size) / processes)
    steps_per_epoch = math.ceil(batches / options.accumulate)
    steps = steps_per_epoch * options.epochs
    return Plan(
        rows=rows,
        paths=paths,
        split=split,
        recipe=recipe,
        sampler=sampler,
        steps_per_epoch=steps_per_epoch,
        steps=steps,
        warmup_steps=round(options.warmup * steps),
        eval_steps=options.eval_steps or min(EVAL_STEPS, math.ceil(steps / 4)),
        unreadable=unreadable,
        processes=processes,
    )


def world() -> tuple[int, int]:
    """This process's rank and their number, as torchrun and accelerate launch tell it."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def _read(folders: tuple[Path, ...]) -> tuple[list[FaceRow], list[Path], Recipe]:
    rows: list[FaceRow] = []
    paths: list[Path] = []
    recipe: Recipe | None = None
    for folder in folders:
        own, own_recipe = read_index(folder)
        differences = recipe.differences(own_recipe) if recipe else {}
        if differences:
            listing = ", ".join(f"{key} {a!r} and {b!r}" for key, (a, b) in differences.items())
            raise UsageError(
                f"{folders[0]} and {folder} were cut in different ways: {listing}",
                "extract them again with one --recipe",
            )
        recipe = recipe or own_recipe
        rows += own
        paths += [folder / row.crop for row in own]
    if recipe is None or not rows:
        raise UsageError("there are no faces to learn from", "name folders made by extract")
    return rows, paths, recipe
