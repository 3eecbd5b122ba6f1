"""`RunOptions`: all options of a run, with the command line's defaults."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from dfsubmit.errors import UsageError
from dfsubmit.labels import LABELS
from dfsubmit.recipe import Recipe
from dfsubmit.shards import Shard

BASELINE_MODEL = Path("models/deep-fake-detector-v2-model")
SMALL_MODEL = "tiny-vit-demo"
CASCADE = "cascade"
"""The precision that scores in a quick one first, and doubtful files again in fp32."""


def pictures_path(submission: Path) -> Path:
    """The folder of the pictures that a run with --report takes for a ``submission.csv``."""
    return submission.with_name(submission.stem + ".pictures")


def picture_file(folder: str | os.PathLike[str], name: str) -> Path:
    """The path of a media file's pictures: its name may not be usable as a path."""
    return Path(folder) / (hashlib.sha256(os.fsencode(name)).hexdigest()[:32] + ".zip")


@dataclass(frozen=True)
class RunOptions:
    """What to run, on what, and how.

    Attributes:
        model: a Hugging Face model folder, a zip of one, or its name (`dfsubmit.models.search`).
        data: the folder of images and videos.
        recursive: search the subfolders of `data` too; rows are named by the path relative to it.
        executor: where the files are scored: "local", or a plugin's spec such as "ray:machines=3".
        shard: the part of the files to score; None for all of them.
        output: the path of `submission.csv`; scores and metadata are written beside it. A shard
            adds its number to the name (see `submission`).
        aggregator: a spec such as "mean" or "topk:k=5".
        recipe: overrides the model's own recipe (a name, a file or a Recipe); None uses it.
        frames: overrides the recipe's number of frames; None uses it.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", "fp32", "bf16", "fp16", "int8" or "cascade" (`dfsubmit.scoring.cascade`).
        audit_seed: chooses the files that a cascade scores in both precisions as a check.
        loader: the name of a model loader; None picks the best one.
        batch_size: faces per forward pass; 0 chooses by device.
        workers: processes that decode and detect; 0 means the CPUs available, and one more with
            early exit.
        fallback: the model used when `model` cannot be loaded; None makes that an error.
        fake_label: the name of the fake class, if the model's own names are ambiguous.
        failure_label: the label of files that could not be scored: "real" or "fake".
        no_face: "fail" gives such files the failure label; "whole-frame" classifies whole frames.
        max_failures: the share of failed files above which the exit code is 3; 1.0 never.
        tta: test-time augmentation: "none", or "flip" (mean of a face and its mirror image).
        threshold: p_fake above it is fake; None takes the model's own decision file, else 0.5.
        raw: ignore the model folder's calibration.
        early_exit: stop a file as soon as no further frame can change its label.
        time_limit: the limit for the whole run, in seconds; None for no limit.
        min_frames: the minimum number of frames per video under a time limit.
        per_file_timeout: the CPU time limit per file in a worker, in seconds.
        resume: continue an interrupted run with the same media, model and recipe.
        plugins_dir: folders whose files are plugins.
        strict: a plugin that fails to load is an error.
        calibration: a folder of face crops, for loaders that quantise.
        keep_features: store the input of the model's last layer per file, beside the scores.
        reference: the ``.scores.jsonl`` of a run with features, to compare this run's features
            with; they are then stored. Changes no label.
        report: take pictures during the scan, for the report page.
        progress: show a progress bar on stderr.
    """

    model: str | Path
    data: str | Path = "./data"
    output: str | Path = "./submission.csv"
    aggregator: str = "mean"
    recipe: str | Path | Recipe | None = None
    frames: int | None = None
    device: str = "auto"
    precision: str = "auto"
    loader: str | None = None
    batch_size: int = 0
    workers: int = 0
    fallback: str | Path | None = BASELINE_MODEL
    fake_label: str | None = None
    failure_label: str = "real"
    no_face: str = "fail"
    max_failures: float = 0.05
    tta: str = "none"
    threshold: float | None = None
    raw: bool = False
    early_exit: bool = False
    time_limit: float | None = None
    min_frames: int = 8
    per_file_timeout: float = 120.0
    resume: bool = True
    plugins_dir: tuple[str, ...] = ()
    strict: bool = False
    calibration: str | Path | None = None
    keep_features: bool = False
    reference: str | Path | None = None
    progress: bool = True
    recursive: bool = False
    report: bool = False
    shard: Shard | None = None
    executor: str = "local"
    audit_seed: int = 0

    @property
    def submission(self) -> Path:
        """Where this run writes its CSV: `output`, or a shard's own file beside it."""
        output = Path(self.output)
        return output if self.shard is None else self.shard.beside(output)

    @property
    def keeps_features(self) -> bool:
        """Whether features are kept: asked for, or needed."""
        return self.keep_features or self.reference is not None

    @property
    def pictures(self) -> str | None:
        """The folder in which workers write pictures; None for none."""
        return os.path.abspath(pictures_path(self.submission)) if self.report else None

    def check(self) -> None:
        """Check the options before anything is loaded.

        Raises:
            UsageError: names the option.
        """
        choices = {
            "failure_label": tuple(LABELS),
            "no_face": ("fail", "whole-frame"),
            "tta": ("none", "flip"),
            "precision": ("auto", "fp32", "bf16", "fp16", "int8", CASCADE),
        }
        for name, allowed in choices.items():
            value = getattr(self, name)
            if value not in allowed:
                flag = "--" + name.replace("_", "-")
                raise UsageError(f"{flag} {value!r}: expected {' or '.join(allowed)}")
        if self.time_limit is not None and self.time_limit <= 0:
            raise UsageError("--time-limit has to be more than 0 seconds")
        if self.per_file_timeout <= 0:
            raise UsageError("--per-file-timeout has to be more than 0 seconds")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UsageError(f"--threshold {self.threshold} is not from 0 to 1")
        if Path(self.output).is_dir():  # as is "", which stands for the current one
            raise UsageError(f"--output {self.output} is a folder", "give the CSV's own name")
        output, data = Path(self.output), Path(self.data).resolve()
        # Where it is a link, scores and metadata lie beside the link.
        if data in (output.resolve().parent, output.parent.resolve()):
            raise UsageError(
                f"--output {self.output} lies in the data folder, and would be one of its files",
                "put it anywhere else",
            )
