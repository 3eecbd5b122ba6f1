"""Figures of an evaluation, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from dfsubmit.extraction.index import FaceRow
from dfsubmit.finetuning.figures import face_metrics, method_metrics, video_figures


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


def test_an_interval_over_groups_goes_with_the_figures_over_videos() -> None:
    """Five people, each of whom the model takes for more or less fake than the others."""
    random = np.random.default_rng(0)
    labels = [n % 2 for n in range(240)]
    rows = [row(str(n // 3 * 2 + label), label) for n, label in enumerate(labels)]
    people = [int(row.video) % 5 for row in rows]
    p_fake = 0.5 + 0.2 * (np.array(labels) - 0.5) + 0.1 * (np.array(people) - 2)
    p_fake = np.clip(p_fake + random.normal(0, 0.1, len(rows)), 0, 1)
    plain = face_metrics(rows, p_fake)
    many = video_figures(rows, p_fake, [row.video for row in rows])
    few = video_figures(rows, p_fake, [str(person) for person in people])
    assert many.videos == few.videos == len({row.video for row in rows}) == many.groups
    assert few.groups == 5
    for name in ("macro_f1", "auc"):
        value, low, high = many.figures[name]
        assert value == plain[f"video_{name}"]
        assert low < value < high
        assert few.figures[name][2] - few.figures[name][1] > 1.2 * (high - low)
    assert str(few).endswith(f"over {few.videos} videos in 5 groups, too few groups (5)")
    assert str(many).startswith(f"macro F1 {plain['video_macro_f1']:.3f} [")


def test_figures_of_one_class_alone_are_none() -> None:
    alone = video_figures([row("a", 1)], np.array([0.9]), ["g"])
    assert alone.figures == {}
    assert str(alone).startswith("one class alone over 1 video in 1 group")
