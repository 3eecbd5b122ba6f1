"""Scored faces → the metrics of an evaluation, per frame and per video."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dfsubmit.console import counted
from dfsubmit.extraction.index import FaceRow
from dfsubmit.intervals.groups import few_groups, group_numbers
from dfsubmit.intervals.metrics import intervals
from dfsubmit.labels import FAKE, REAL
from dfsubmit.metrics import TITLES, Predictions, point
from dfsubmit.records import FloatArray, IntArray


def face_metrics(rows: Sequence[FaceRow], p_fake: FloatArray) -> dict[str, float]:
    """The figures for some faces.

    Args:
        rows: the faces.
        p_fake: float64 (n,), the probability of fake of each.

    Returns:
        ``macro_f1`` and ``f1_fake`` and ``auc`` over frames; ``video_macro_f1`` and ``video_auc``
        over videos, each the mean of its frames. Fake is p_fake > 0.5. What is undefined, since
        only one class is there, is left out (see `dfsubmit.metrics`).
    """
    labels = np.array([row.label for row in rows], dtype=np.int64)
    _, video_labels, video_p = _videos(rows, p_fake)
    figures = _figures(labels, p_fake, ("macro_f1", "f1_fake", "auc"))
    for name, value in _figures(video_labels, video_p, ("macro_f1", "auc")).items():
        figures[f"video_{name}"] = value
    return figures


@dataclass(frozen=True)
class VideoFigures:
    """Metrics over videos, with their intervals.

    Attributes:
        videos: how many.
        groups: their identity groups.
        figures: for "macro_f1" and "auc", unless undefined: (value, low, high), with the ends of
            the 95 % interval over groups.
    """

    videos: int
    groups: int
    figures: dict[str, tuple[float, float, float]]

    def __str__(self) -> str:
        parts = [
            f"{TITLES[name]} {value:.3f} [{low:.3f}, {high:.3f}]"
            for name, (value, low, high) in self.figures.items()
        ]
        few = few_groups(self.groups)
        return (
            f"{', '.join(parts) or 'one class alone'} over {counted(self.videos, 'video')} in "
            f"{counted(self.groups, 'group')}{f', {few}' if few else ''}"
        )


def video_figures(
    rows: Sequence[FaceRow], p_fake: FloatArray, groups: Sequence[str]
) -> VideoFigures:
    """The figures over videos with their intervals.

    Args:
        rows: the faces.
        p_fake: float64 (n,), the probability of fake of each.
        groups: the identity group of each; a video lies in one.
    """
    firsts, labels, p = _videos(rows, p_fake)
    numbers = group_numbers([groups[first] for first in firsts])
    ends = intervals(_predictions(labels, p), numbers, ("macro_f1", "auc"))
    values = _figures(labels, p, ("macro_f1", "auc"))
    return VideoFigures(
        len(firsts),
        len(set(numbers.tolist())),
        {name: (value, *ends[name]) for name, value in values.items()},
    )


def _videos(rows: Sequence[FaceRow], p_fake: FloatArray) -> tuple[list[int], IntArray, FloatArray]:
    """Of each video: its first face, its label, and the mean of its faces."""
    videos: dict[tuple[str, str, str], list[int]] = {}
    for i, row in enumerate(rows):
        videos.setdefault((row.dataset, row.compression, row.video), []).append(i)
    firsts = [faces[0] for faces in videos.values()]
    labels = np.array([rows[first].label for first in firsts], dtype=np.int64)
    return firsts, labels, np.array([p_fake[faces].mean() for faces in videos.values()])


def _figures(labels: IntArray, p_fake: FloatArray, names: Sequence[str]) -> dict[str, float]:
    values = point(_predictions(labels, p_fake), names)
    return {name: value for name, value in values.items() if not math.isnan(value)}


def _predictions(labels: IntArray, p_fake: FloatArray) -> Predictions:
    predicted = (p_fake > 0.5).astype(np.int64)
    return Predictions(labels, predicted, p_fake, np.ones(len(labels), dtype=bool))


def method_metrics(
    rows: Sequence[FaceRow], p_fake: FloatArray
) -> list[dict[str, str | int | float]]:
    """For each data set and method of manipulation: its fakes against the data set's real faces.

    Each entry has ``dataset``, ``method``, ``fakes``, ``reals`` and the figures of
    `face_metrics`.
    """
    table: list[dict[str, str | int | float]] = []
    for dataset, method in sorted({(r.dataset, r.method) for r in rows if r.label == FAKE}):
        reals = [i for i, r in enumerate(rows) if r.dataset == dataset and r.label == REAL]
        fakes = [
            i
            for i, r in enumerate(rows)
            if (r.dataset, r.method, r.label) == (dataset, method, FAKE)
        ]
        chosen = [*reals, *fakes]
        figures = face_metrics([rows[i] for i in chosen], p_fake[chosen])
        table.append(
            {
                "dataset": dataset,
                "method": method,
                "fakes": len(fakes),
                "reals": len(reals),
                **figures,
            }
        )
    return table
