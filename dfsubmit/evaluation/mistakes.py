"""Which files of a result to look at: wrong ones, close ones, and those without a score.

In: a ``submission.csv`` or a ``scores.jsonl``, and the labels. Out: `Mistakes`: for each file what
its scores show, and what to try. The scores show how many frames had a face, how large it was, and
whether the frames agree; they do not show why the network is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfsubmit.console import counted
from dfsubmit.evaluation.labels import LabelledFile
from dfsubmit.output.scores import read_meta, read_scores
from dfsubmit.output.submission import read_submission
from dfsubmit.records import FileResult, Status
from dfsubmit.scoring.decision import decision_of_run

CLOSE = 0.1
"""A right label whose p_fake is within this of the threshold is listed as close."""
_SMALL_FACE = 64
_FEW_FACES, _DISAGREE = 0.5, 0.2

FEW_FACES = "few-faces"
SMALL = "small"
DISAGREE = "disagree"
AGREE = "agree"
DAMAGED = "damaged"
TRY = {
    FEW_FACES: "few frames with a face: a recipe that detects on wider frames or upsamples them, "
    "or more --frames",
    SMALL: "small faces: media of a higher resolution, or a model fine-tuned on such faces",
    DISAGREE: "frames that disagree: another rule ('dfsubmit compare' shows which are better)",
    AGREE: "frames that agree and are wrong: the model does not know this kind; fine-tune on files "
    "like these, or look at what their column of the labels has in common",
    DAMAGED: "damaged files: re-encode them and check whether the label changes",
    "close": "close to the threshold: 'dfsubmit calibrate', or --threshold",
    Status.NO_FACE.value: "no face: --no-face whole-frame, or a recipe that upsamples frames",
    Status.TIMEOUT.value: "no time: a longer --per-file-timeout, or a longer --time-limit",
    Status.PENDING.value: "not reached: the same command of 'dfsubmit run' goes on",
    Status.UNREADABLE.value: "unreadable: re-encode them with ffmpeg",
    Status.UNSUPPORTED.value: "neither image nor video: take them out of the folder",
    Status.CRASHED.value: "a worker crashed: run these files alone, with --workers 1",
    Status.ERROR.value: "errors: the scores file has each one's message",
}
"""What to try, by what was found."""


@dataclass(frozen=True)
class Mistake:
    """One file to look at.

    Attributes:
        filename: as in the result.
        truth, label: 0 real, 1 fake: the true label and the given one.
        p_fake: None where there is no score.
        why: what its scores show, in words.
        kinds: keys of `TRY`.
    """

    filename: str
    truth: int
    label: int
    p_fake: float | None
    why: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mistakes:
    """The files to look at, and how many there are of each sort.

    Attributes:
        threshold: A file is fake if p_fake is above it.
        wrong: scored files with the wrong label, the surest first.
        close: scored files with the right label and a p_fake within `CLOSE` of the threshold, the
            closest first.
        unscored: files without a score, those with the wrong label first.
        counts: of "wrong", "close" and "unscored", those that are not listed included.
        has_scores: the result has more than labels.
    """

    threshold: float
    wrong: list[Mistake]
    close: list[Mistake]
    unscored: list[Mistake]
    counts: dict[str, int]
    has_scores: bool = True

    @property
    def kinds(self) -> list[str]:
        """What was found among the listed files, for `TRY`, the most frequent first."""
        found = [kind for item in (*self.wrong, *self.unscored) for kind in item.kinds]
        found += ["close"] * len(self.close)
        return sorted(set(found), key=lambda kind: (-found.count(kind), kind))


def mistakes(path: str | Path, labels: Mapping[str, LabelledFile], count: int) -> Mistakes:
    """The files to look at, at most `count` of each sort.

    Args:
        path: a ``submission.csv``, or a ``scores.jsonl`` (told by its suffix).
        labels: of its files; files without a label are left out.
        count: at least 1.

    Raises:
        UsageError: the result cannot be read.
    """
    path = Path(path)
    if path.suffix != ".jsonl":
        said = {name: int(label) for name, label in read_submission(path) if name in labels}
        found = [
            Mistake(name, labels[name].label, label, None, "labels alone")
            for name, label in said.items()
            if label != labels[name].label
        ]
        return Mistakes(0.5, found[:count], [], [], {"wrong": len(found)}, has_scores=False)
    results = [result for result in read_scores(path) if result.filename in labels]
    decision = decision_of_run(read_meta(path))
    threshold = 0.5 if decision is None else decision.threshold

    def distance(result: FileResult) -> float:
        return abs(_probability(result) - threshold)

    def is_wrong(result: FileResult) -> bool:
        return result.label != labels[result.filename].label

    def listed(chosen: Sequence[FileResult]) -> list[Mistake]:
        return [_looked_at(item, labels[item.filename], threshold) for item in chosen[:count]]

    scored = [result for result in results if result.status is Status.OK]
    wrong = sorted(filter(is_wrong, scored), key=distance, reverse=True)
    close = sorted(
        (item for item in scored if not is_wrong(item) and distance(item) <= CLOSE), key=distance
    )
    unscored = sorted(
        (item for item in results if item.status is not Status.OK),
        key=lambda item: (not is_wrong(item), item.filename),
    )
    return Mistakes(
        threshold,
        listed(wrong),
        listed(close),
        listed(unscored),
        {"wrong": len(wrong), "close": len(close), "unscored": len(unscored)},
    )


def _probability(result: FileResult) -> float:
    """p_fake; after an early exit the middle of its bounds."""
    if result.p_fake is not None:
        return result.p_fake
    low, high = result.bounds or (0.0, 1.0)
    return (low + high) / 2


def _looked_at(result: FileResult, row: LabelledFile, threshold: float) -> Mistake:
    if result.status is not Status.OK:
        why = f"{result.status.value}: {result.error}" if result.error else result.status.value
        kinds = (result.status.value,)
        return Mistake(result.filename, row.label, result.label, None, why, kinds)
    found: dict[str, str] = {}
    looked, faces = result.frames_decoded, len(result.frames)
    if looked and faces < _FEW_FACES * looked:
        found[FEW_FACES] = f"a face in {faces} of {counted(looked, 'frame')}"
    scores = result.frame_scores()
    if faces:
        side = float(np.median(scores.boxes[:, 2] - scores.boxes[:, 0]))
        if side < _SMALL_FACE:
            found[SMALL] = f"faces {side:.0f} px wide"
        above = int((scores.p_fake > threshold).sum())
        if _DISAGREE * faces < above < (1 - _DISAGREE) * faces:
            found[DISAGREE] = f"{above} of {faces} frames above the threshold"
    if result.note:
        found[DAMAGED] = result.note
    if not found:
        word = "fake" if result.label else "real"
        found[AGREE] = f"its {faces} frames say {word}" if faces > 1 else f"its frame says {word}"
    p_fake = _probability(result)
    return Mistake(
        result.filename, row.label, result.label, p_fake, "; ".join(found.values()), tuple(found)
    )
