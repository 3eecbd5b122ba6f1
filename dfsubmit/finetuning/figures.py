"""Scored faces → the figures of an evaluation, per frame and per video."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dfsubmit.extraction.index import FaceRow
from dfsubmit.records import FAKE, REAL, FloatArray


def face_metrics(rows: Sequence[FaceRow], p_fake: FloatArray) -> dict[str, float]:
    """The figures for some faces.

    Args:
        rows: the faces.
        p_fake: float64 (n,), the probability of fake of each.

    Returns:
        ``macro_f1`` and ``f1_fake`` and ``auc`` over frames; ``video_macro_f1`` and ``video_auc``
        over videos, each the mean of its frames. Fake is p_fake > 0.5. Macro F1 is the mean of
        the two classes' F1 (a class that is neither there nor predicted counts 0, as in
        scikit-learn with ``zero_division=0``). The area under the ROC curve is left out where
        only one class is there.
    """
    labels = np.array([row.label for row in rows])
    videos: dict[tuple[str, str, str], list[int]] = {}
    for i, row in enumerate(rows):
        videos.setdefault((row.dataset, row.compression, row.video), []).append(i)
    members = list(videos.values())
    video_labels = labels[[faces[0] for faces in members]]
    video_p = np.array([p_fake[faces].mean() for faces in members])
    figures = {f"video_{name}": value for name, value in _figures(video_labels, video_p).items()}
    del figures["video_f1_fake"]
    return _figures(labels, p_fake) | figures


def _figures(labels: npt.NDArray[np.int64], p_fake: FloatArray) -> dict[str, float]:
    from sklearn.metrics import f1_score, roc_auc_score

    real, fake = f1_score(
        labels, p_fake > 0.5, labels=[REAL, FAKE], average=None, zero_division=0.0
    )
    figures = {"macro_f1": float(real + fake) / 2, "f1_fake": float(fake)}
    if len(set(labels.tolist())) == 2:
        figures["auc"] = float(roc_auc_score(labels, p_fake))
    return figures


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
