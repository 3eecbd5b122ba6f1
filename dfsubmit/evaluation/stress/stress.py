"""The stress test: metrics of a model on degraded variants of labelled media.

In: a folder of media, its labels, and the options of a run. Out: a `StressReport`: the same
metrics for every `Variant`, the worst first. Each variant is a folder of degraded copies, which the
pipeline scores like any other folder, including face detection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfsubmit.errors import UsageError
from dfsubmit.evaluation.evaluate import read_predictions
from dfsubmit.evaluation.labels import LabelledFile, labels_of
from dfsubmit.evaluation.statistics.swaps import adjusted_p
from dfsubmit.evaluation.stress.bench import CLEAN, StressBench
from dfsubmit.evaluation.stress.degrade import VARIANTS, load_av
from dfsubmit.intervals.groups import group_numbers
from dfsubmit.intervals.labels import difference_interval
from dfsubmit.intervals.metrics import intervals
from dfsubmit.intervals.quantiles import SAMPLES, UNKNOWN, Interval
from dfsubmit.media.listing import list_media
from dfsubmit.metrics import Predictions, point
from dfsubmit.options import RunOptions
from dfsubmit.output.scores import read_scores
from dfsubmit.records import Status

MEASURED = ("macro_f1", "auc", "recall", "accuracy", "log_loss")


@dataclass(frozen=True)
class Stressed:
    """One variant's metrics.

    Attributes:
        variant: its name; "clean" for the files as they are.
        metrics: of `MEASURED`; NaN where undefined.
        intervals: 95 % intervals of macro F1 and AUC.
        fall: clean macro F1 minus this one's; 0 for the clean files.
        fall_interval: of it, so wide that those of all variants together hold with 95 %; NaN ends
            for the clean files.
        p: how often chance alone gives so large a difference from the clean files, adjusted for
            the number of variants (`adjusted_p`); 1 for the clean files.
        face_rate: the share of files in which a face was found.
        frame_face_rate: the share of decoded frames in which one was found.
        failed: files that failed.
    """

    variant: str
    metrics: dict[str, float]
    intervals: dict[str, Interval]
    fall: float
    fall_interval: Interval
    p: float
    face_rate: float
    frame_face_rate: float
    failed: int


@dataclass(frozen=True)
class StressReport:
    """The clean figures and every variant's, lowest macro F1 first.

    Attributes:
        clean: the files as they are.
        variants: degraded, the worst first.
        files, fakes, groups: counts.
        unlabelled: files of the folder that have no label and were left out.
    """

    clean: Stressed
    variants: list[Stressed]
    files: int
    fakes: int
    groups: int
    unlabelled: int

    @property
    def fall(self) -> float:
        """Macro F1 lost from clean to worst; negative where no variant is worse."""
        return self.variants[0].fall


def stress(
    options: RunOptions,
    labels: Mapping[str, LabelledFile],
    folder: Path,
    variants: Sequence[str] = tuple(VARIANTS),
    samples: int = SAMPLES,
    seed: int = 0,
    keep_media: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> StressReport:
    """Score the labelled files of `options.data` as they are and under each variant.

    Args:
        options: of a run; `data` holds the media; output, fallback and resuming are set here.
        labels: of files in `data`, both classes; those of other files are ignored, and counted on
            stderr.
        folder: where variants and results are kept.
        variants: names of `VARIANTS`.
        samples, seed: of the intervals' and the test's random draws; the seed is also the noise's.
        keep_media: keep the degraded files, for another model with the same number of frames.
        say: receives what the user should know, a line at a time.

    Raises:
        UsageError: no labelled file is in the folder, or only one class is labelled.
        NotInstalled: PyAV is missing.
        DfsubmitError: the model cannot be loaded, or the work was interrupted (exit 130).
    """
    media = {file.name: file for file in list_media(options.data)}
    labels = labels_of(media, labels, options.data)
    if len({row.label for row in labels.values()}) < 2:
        raise UsageError("files of both classes are needed: macro F1 of one class is undefined")
    files = [media[name] for name in labels]
    load_av()
    bench = StressBench(options, files, folder, seed, keep_media)
    # The clean run goes first: which files cannot be scored at all is known from it.
    bench.score(CLEAN, say)
    for name in variants:
        bench.score(name, say)
    names = [CLEAN, *variants]
    groups = group_numbers([row.group for row in labels.values()])
    predictions = [read_predictions(bench.scores(name), labels)[0] for name in names]
    clean = predictions[0]
    p = adjusted_p(clean, predictions, groups, samples, seed)
    rows = []
    for number, (name, own) in enumerate(zip(names, predictions, strict=True)):
        fall_interval = UNKNOWN
        if own is not clean:
            fall_interval = difference_interval(
                clean, own, groups, "macro_f1", len(variants), samples, seed
            )
        rows.append(
            _stressed(
                name,
                bench.scores(name),
                own,
                clean_f1=point(clean, ["macro_f1"])["macro_f1"],
                intervals=intervals(own, groups, ("macro_f1", "auc"), samples, seed),
                fall_interval=fall_interval,
                p=float(p[number]),
            )
        )
    return StressReport(
        clean=rows[0],
        variants=sorted(rows[1:], key=lambda row: row.metrics["macro_f1"]),
        files=len(files),
        fakes=sum(row.label for row in labels.values()),
        groups=len(np.unique(groups)),
        unlabelled=len(media) - len(files),
    )


def _stressed(
    name: str,
    scores: Path,
    predictions: Predictions,
    clean_f1: float,
    intervals: dict[str, Interval],
    fall_interval: Interval,
    p: float,
) -> Stressed:
    results = read_scores(scores)
    metrics = point(predictions, MEASURED)
    frames = sum(result.frames_decoded for result in results)
    return Stressed(
        variant=name,
        metrics=metrics,
        intervals=intervals,
        fall=clean_f1 - metrics["macro_f1"],
        fall_interval=fall_interval,
        p=p,
        face_rate=sum(result.frames_with_face > 0 for result in results) / len(results),
        frame_face_rate=sum(result.frames_with_face for result in results) / max(frames, 1),
        failed=sum(result.status is not Status.OK for result in results),
    )
