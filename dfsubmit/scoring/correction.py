"""Two precisions of one file's frames, in logits.

An error of a logit moves a probability most near 0.5, where it matters. In: a `FileResult` with
`quick`. Out: the frames that were scored in both, and estimates for the others.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dfsubmit.records import FileResult, FloatArray, FrameScores, frame_scores

BoolArray = npt.NDArray[np.bool_]

_SMALLEST = 1e-12
"""Probabilities are kept this far from 0 and 1, so that logits are finite."""


def sampling_order(result: FileResult) -> list[int]:
    """The order in which a file's frames are scored in fp32: places in `frames`, as if at random.

    The first of them must tell as much about the others as they did in the files from which
    the bound was learned.
    """

    def number(place: int) -> bytes:
        text = f"{result.filename} {result.frames[place].index}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()

    return sorted(range(len(result.frames)), key=number)


def quick_scores(result: FileResult) -> FrameScores:
    """A file's frames with their probabilities in the quick precision."""
    assert result.quick is not None
    quick = np.array(result.quick, dtype=np.float64)
    return dataclasses.replace(frame_scores(result.frames), p_fake=quick)


def in_both(result: FileResult) -> tuple[FrameScores, FrameScores, list[int]]:
    """The frames of a file that were scored in both precisions: exact, quick, and their
    `sampling_order`."""
    chosen = sorted(set(range(len(result.frames))) - set(result.estimated))
    exact = frame_scores([result.frames[place] for place in chosen])
    quick = dataclasses.replace(exact, p_fake=quick_scores(result).p_fake[chosen])
    place = {old: new for new, old in enumerate(chosen)}
    return exact, quick, [place[old] for old in sampling_order(result) if old in place]


def corrected(quick: FloatArray, exact: Mapping[int, float]) -> FloatArray:
    """A file's probabilities in fp32, some of them estimated.

    Args:
        quick: float64 (n,), in the quick precision.
        exact: the fp32 probabilities of some frames, at least one, by place.

    Returns:
        float64 (n,): for the other frames, the quick one plus the mean difference, in logits.
    """
    places = list(exact)
    known = np.array([exact[place] for place in places], dtype=np.float64)
    mean = float((logits(known) - logits(quick[places])).mean())
    values = _moved(quick, mean)
    values[places] = known
    return values


def shifted(scores: FrameScores, shift: float, where: BoolArray | None = None) -> FrameScores:
    """The scores with `shift` added to the logits of all frames, or of those in `where`."""
    moved = _moved(scores.p_fake, shift)
    if where is not None:
        moved = np.where(where, moved, scores.p_fake)
    return dataclasses.replace(scores, p_fake=moved)


def logits(p_fake: FloatArray) -> FloatArray:
    """The logits of probabilities, finite for 0 and 1 too."""
    p = np.clip(p_fake, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(p) - np.log1p(-p), dtype=np.float64)


def _moved(p_fake: FloatArray, shift: float) -> FloatArray:
    return np.asarray(0.5 + 0.5 * np.tanh((logits(p_fake) + shift) / 2), dtype=np.float64)
