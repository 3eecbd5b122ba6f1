"""Plots say what they are made of, and draw nothing from nothing."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scores_samples import make_run

from dfsubmit.drawing import new_figure
from dfsubmit.evaluation.evaluate import Evaluation, evaluate
from dfsubmit.evaluation.labels import read_labels
from dfsubmit.evaluation.reports import evaluate as evaluate_report
from dfsubmit.evaluation.reports.plots import (
    draw_confusion,
    draw_forest,
    draw_reliability,
    draw_roc,
    has_curve,
)
from dfsubmit.metrics import Predictions, point

pytest.importorskip("matplotlib", reason="the eval extra brings it")


def axis_with(draw: Any, *arguments: Any) -> Any:
    axis = new_figure("evaluate", 4, 4).subplots()
    draw(axis, *arguments)
    return axis


def texts(axis: Any) -> list[str]:
    return [text.get_text() for text in axis.texts]


def legend(axis: Any) -> list[str]:
    return [text.get_text() for text in axis.get_legend().get_texts()]


def predictions(n: int = 50) -> Predictions:
    generator = np.random.default_rng(1)
    labels = np.arange(n) % 2
    p = np.clip(0.5 + 0.2 * (labels - 0.5) + 0.2 * generator.standard_normal(n), 0, 1)
    return Predictions(labels, (p > 0.5).astype(np.int64), p, np.ones(n, dtype=bool))


def measured(folder: Path, suffix: str) -> Evaluation:
    scores, labels_path = make_run(folder, meta={"model": {"name": "my-vit"}})
    labels = read_labels(labels_path)
    if suffix == ".csv":
        path = folder / "labels-alone.csv"
        rows = [f"{name},{row.label}\n" for name, row in labels.items()]
        path.write_text("filename,label\n" + "".join(rows))
        scores = path
    return evaluate(scores, labels)


def width(picture: bytes) -> int:
    assert picture.startswith(b"\x89PNG")
    return int(struct.unpack(">I", picture[16:20])[0])


def test_a_roc_curve_says_its_area_and_the_fields_words() -> None:
    item = predictions()
    axis = axis_with(draw_roc, {"mine": item})
    assert legend(axis) == ["chance (AUC 0.500)", f"mine (AUC {point(item, ['auc'])['auc']:.3f})"]
    assert axis.get_xlabel() == "false positive rate (FPR)"
    assert axis.get_ylabel() == "true positive rate (TPR)"


def test_a_single_reliability_curve_tells_the_files_of_each_point() -> None:
    item = predictions()
    counts = [
        int(text.removeprefix("n=")) for text in texts(axis_with(draw_reliability, {"a": item}))
    ]
    assert sum(counts) == len(item)
    assert texts(axis_with(draw_reliability, {"a": item, "b": item})) == []


def test_one_class_or_labels_alone_have_no_curve() -> None:
    item = predictions()
    assert has_curve(item)
    assert not has_curve(item.take(item.labels == 1))
    assert not has_curve(Predictions(item.labels, item.predicted, None, item.scored))


def test_undefined_rows_of_a_forest_plot_say_so() -> None:
    nan = float("nan")
    axis = axis_with(draw_forest, ["a", "b"], [0.5, nan], [(0.4, 0.6), (nan, nan)], nan)
    assert texts(axis) == ["undefined"]


def test_a_confusion_matrix_shows_counts_and_shares() -> None:
    axis = axis_with(draw_confusion, [[3, 1], [0, 0]])
    assert texts(axis) == ["3\n75.0%", "1\n25.0%", "0", "0"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted label", "true label")


def test_labels_alone_leave_no_empty_panels(tmp_path: Path) -> None:
    with_scores, alone = measured(tmp_path, ".jsonl"), measured(tmp_path, ".csv")
    with_scores.parts.clear()
    alone.parts.clear()
    assert width(evaluate_report.as_png(with_scores)) > 2 * width(evaluate_report.as_png(alone))


def test_titles_name_model_data_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.figure

    said: list[str] = []
    monkeypatch.setattr(
        matplotlib.figure.Figure, "suptitle", lambda figure, text: said.append(text)
    )
    evaluate_report.as_png(measured(tmp_path, ".jsonl"))
    assert said == ["submission.scores.jsonl, model my-vit\n60 files (30 fake, 30 real)"]
