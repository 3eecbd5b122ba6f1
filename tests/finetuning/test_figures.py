"""Figures of an evaluation, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from dfsubmit.extraction.index import FaceRow
from dfsubmit.finetuning.figures import face_metrics, method_metrics


def row(video: str, label: int, method: str = "m", dataset: str = "d") -> FaceRow:
    return FaceRow("", label, method, dataset, "", video, "", ("x",), "", 0, 0.0, (0, 0, 1, 1))


def test_frames_and_videos_are_counted_apart() -> None:
    rows = [row("a", 0), row("a", 0), row("b", 1), row("b", 1)]
    figures = face_metrics(rows, np.array([0.2, 0.6, 0.9, 0.4]))
    # Frames: one of each class is wrong. Videos: means 0.4 and 0.65, both right.
    assert figures["macro_f1"] == figures["f1_fake"] == pytest.approx(0.5)
    assert figures["auc"] == pytest.approx(0.75)
    assert figures["video_macro_f1"] == figures["video_auc"] == 1.0


def test_what_one_class_alone_leaves_undefined_is_left_out() -> None:
    assert face_metrics([row("a", 1)], np.array([0.9])) == {"f1_fake": 1.0}
    assert face_metrics([row("a", 0)], np.array([0.9])) == {}


def test_figures_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    labels = [0, 1, *random.integers(0, 2, 60).tolist()]
    rows = [row(str(number), label) for number, label in enumerate(labels)]
    p_fake = np.round(random.random(len(rows)), 1)  # with ties
    expected = {
        "macro_f1": metrics.f1_score(labels, p_fake > 0.5, average="macro"),
        "f1_fake": metrics.f1_score(labels, p_fake > 0.5),
        "auc": metrics.roc_auc_score(labels, p_fake),
    }
    # Each face is a video of its own.
    expected |= {f"video_{name}": expected[name] for name in ("macro_f1", "auc")}
    assert face_metrics(rows, p_fake) == pytest.approx(expected, abs=1e-12)


def test_one_half_is_real() -> None:
    assert face_metrics([row("a", 0), row("b", 1)], np.array([0.5, 0.51]))["macro_f1"] == 1.0


def test_videos_of_one_name_in_two_data_sets_are_two() -> None:
    rows = [row("a", 0, dataset="x"), row("a", 1, dataset="y")]
    assert face_metrics(rows, np.array([0.1, 0.9]))["video_macro_f1"] == 1.0


def test_each_method_stands_against_the_real_faces_of_its_data_set() -> None:
    rows = [row("r", 0), row("s", 1, "swap"), row("t", 1, "trick"), row("u", 0, dataset="e")]
    swap, trick = method_metrics(rows, np.array([0.3, 0.9, 0.2, 0.99]))
    assert (swap["method"], swap["fakes"], swap["reals"], swap["auc"]) == ("swap", 1, 1, 1.0)
    assert (trick["method"], trick["auc"]) == ("trick", 0.0)
