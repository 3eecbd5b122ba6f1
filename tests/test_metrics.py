"""Every metric equals scikit-learn's; one class is undefined and not a number."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics as sk

from dfsubmit.metrics import TITLES, Predictions, measure, point


def predictions(
    labels: npt.ArrayLike, p_fake: npt.ArrayLike, threshold: float = 0.5
) -> Predictions:
    p = np.asarray(p_fake, float)
    labels = np.asarray(labels)
    return Predictions(labels, (p > threshold).astype(int), p, np.ones(len(p), bool))


def sklearn_metrics(
    item: Predictions, weights: npt.NDArray[np.float32] | None = None
) -> dict[str, float]:
    y, said, p = item.labels, item.predicted, item.p_fake
    w = {"sample_weight": weights}
    return {
        "macro_f1": sk.f1_score(y, said, average="macro", labels=[0, 1], **w),
        "f1_fake": sk.f1_score(y, said, zero_division=0, **w),
        "precision": sk.precision_score(y, said, zero_division=0, **w),
        "recall": sk.recall_score(y, said, **w),
        "accuracy": sk.accuracy_score(y, said, **w),
        "balanced_accuracy": sk.balanced_accuracy_score(y, said, **w),
        "auc": sk.roc_auc_score(y, p, **w),
        "average_precision": sk.average_precision_score(y, p, **w),
        "log_loss": sk.log_loss(y, p, labels=[0, 1], **w),
        "brier": sk.brier_score_loss(y, p, **w),
    }


def cases() -> Iterator[Predictions]:
    random = np.random.default_rng(3)
    for n in (5, 62, 400):
        labels = random.integers(0, 2, n)
        labels[:2] = 0, 1
        p = np.clip(random.normal(0.4 + 0.2 * labels, 0.3), 0, 1)
        yield predictions(labels, p)
        yield predictions(labels, np.round(p, 1))  # many ties, many of exactly 0 and 1
        yield predictions(labels, np.full(n, 0.7))  # says fake of everything
        yield predictions(labels, np.full(n, 0.3))  # never says fake
        yield predictions(labels, 1 - labels)  # always wrong


@pytest.mark.parametrize("item", list(cases()))
def test_equals_scikit_learn(item: Predictions) -> None:
    ours = point(item)
    for name, value in sklearn_metrics(item).items():
        assert ours[name] == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("item", list(cases()))
def test_equals_scikit_learn_under_weights(item: Predictions) -> None:
    weights = np.random.default_rng(4).integers(0, 4, (3, len(item))).astype(np.float32)
    weights[:, :2] = 1  # both classes present
    ours = measure(item, weights)
    for row in range(3):
        for name, value in sklearn_metrics(item, weights[row]).items():
            assert ours[name][row] == pytest.approx(value, abs=1e-6), name


def test_equal_error_rate_is_where_the_two_errors_meet() -> None:
    # At 0.5 one real of four is called fake and one fake of four is missed.
    item = predictions([0, 0, 0, 1, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
    assert point(item)["eer"] == pytest.approx(0.25)
    assert point(predictions([0, 1], [0.2, 0.8]))["eer"] == 0
    assert point(predictions([0, 1], [0.8, 0.2]))["eer"] == 1
    assert point(predictions([0, 1, 0, 1], [0.5] * 4))["eer"] == 0.5


def test_equal_error_rate_agrees_with_a_fine_interpolation_of_scikit_learns_curve() -> None:
    for item in cases():
        fallout, recall, _ = sk.roc_curve(item.labels, item.p_fake)
        # Arc length as parameter: the curve has vertical parts, on which fallout is constant.
        arc = np.concatenate([[0], np.cumsum(np.hypot(np.diff(fallout), np.diff(recall)))])
        fine = np.linspace(0, arc[-1], 200_001)
        x, y = np.interp(fine, arc, fallout), np.interp(fine, arc, recall)
        nearest = np.argmin(np.abs(1 - y - x))
        assert point(item)["eer"] == pytest.approx(x[nearest], abs=1e-4)


def test_calibration_error_by_hand() -> None:
    # Bin [0.2, 0.3): two files, one fake, mean 0.25. Bin [0.9, 1]: two fakes, mean 0.95.
    item = predictions([0, 1, 1, 1], [0.2, 0.3 - 1e-9, 0.9, 1.0])
    assert point(item)["ece"] == pytest.approx(0.5 * 0.25 + 0.5 * 0.05, abs=1e-6)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_undefined_and_never_a_half(label: int) -> None:
    found = point(predictions([label] * 4, [0.1, 0.4, 0.6, 0.9]))
    for name in ("macro_f1", "auc", "eer", "average_precision"):
        assert math.isnan(found[name]), name
    assert math.isnan(found["recall"]) == (label == 0)
    assert found["accuracy"] == found["balanced_accuracy"] == 0.5


def test_failed_files_count_by_label_and_rank_but_not_by_probability() -> None:
    labels = np.array([0, 1, 1])
    p = np.array([0.2, 0.9, 0.0])
    item = Predictions(labels, np.array([0, 1, 0]), p, np.array([True, True, False]))
    found = point(item)
    assert found["recall"] == 0.5
    assert found["auc"] == 0.5
    assert found["brier"] == pytest.approx((0.04 + 0.01) / 2)
    assert found["log_loss"] == pytest.approx(-(math.log(0.8) + math.log(0.9)) / 2)


def test_labels_alone_leave_the_scores_metrics_undefined() -> None:
    labels = np.array([0, 1, 1])
    found = point(Predictions(labels, labels, None, np.zeros(3, bool)))
    assert found["macro_f1"] == 1
    undefined = {name for name, value in found.items() if math.isnan(value)}
    assert undefined == {"auc", "eer", "average_precision", "log_loss", "brier", "ece"}
    assert undefined < set(TITLES)
