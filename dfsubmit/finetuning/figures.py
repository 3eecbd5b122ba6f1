"""Scored faces → the figures of an evaluation, per frame and per video."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dfsubmit.extraction.index import FaceRow
from dfsubmit.metrics import Predictions, point
from dfsubmit.records import FAKE, REAL, FloatArray, IntArray


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
    videos: dict[tuple[str, str, str], list[int]] = {}
    for i, row in enumerate(rows):
        videos.setdefault((row.dataset, row.compression, row.video), []).append(i)
    members = list(videos.values())
    video_labels = labels[[faces[0] for faces in members]]
    video_p = np.array([p_fake[faces].mean() for faces in members])
    figures = _figures(labels, p_fake, ("macro_f1", "f1_fake", "auc"))
    for name, value in _figures(video_labels, video_p, ("macro_f1", "auc")).items():
        figures[f"video_{name}"] = value
    return figures


def _figures(labels: IntArray, p_fake: FloatArray, names: Sequence[str]) -> dict[str, float]:
    predicted = (p_fake > 0.5).astype(np.int64)
    faces = Predictions(labels, predicted, p_fake, np.ones(len(labels), dtype=bool))
    return {name: value for name, value in point(faces, names).items() if not math.isnan(value)}


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
