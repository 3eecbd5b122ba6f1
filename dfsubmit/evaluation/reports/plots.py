"""The plots that comparisons, evaluations and stress tests are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dfsubmit.drawing import plain
from dfsubmit.labels import FAKE
from dfsubmit.metrics import Predictions, cumulative_counts, point

_BINS = 10


def draw_forest(
    axis: Any,
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    reference: float,
    metric: str = "macro F1",
    line: str = "",
) -> None:
    """Values of a metric with their intervals, the first at the top.

    Args:
        axis: to draw on.
        names: of the rows, such as "mean, 60 files".
        values, intervals: one each for a name; a value that is undefined (NaN) says so.
        reference: where a vertical line stands.
        metric: what the values are.
        line: what the vertical line is.
    """
    places = np.arange(len(names))[::-1]
    if not np.isnan(reference):
        axis.axvline(reference, color="0.6", linewidth=1, linestyle="--")
    for place, value, (low, high) in zip(places, values, intervals, strict=True):
        if np.isnan(value):
            axis.annotate(
                "undefined",
                (0.01, place),
                xycoords=axis.get_yaxis_transform(),
                va="center",
                fontsize=8,
                color="0.4",
            )
            continue
        axis.plot([low, high], [place, place], color="tab:blue", linewidth=1.5)
        axis.plot([value], [place], "o", color="tab:blue", markersize=5)
    axis.set_yticks(places, [plain(name) for name in names])
    axis.set_ylim(-0.6, len(names) - 0.4)
    axis.set_xlabel(f"{metric}, 95 % interval" + (f" (dashed: {line})" if line else ""))
    axis.grid(axis="x", alpha=0.3)


def has_curve(item: Predictions) -> bool:
    """Whether there are probabilities of both classes, which a ROC curve needs."""
    return item.p_fake is not None and len(set(item.labels.tolist())) == 2


def draw_roc(axis: Any, curves: Mapping[str, Predictions]) -> None:
    """ROC curves with their areas: the true-positive rate (TPR) against the false-positive rate
    (FPR), at every threshold.

    Args:
        axis: to draw on.
        curves: by name; each one `has_curve`.
    """
    axis.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", label="chance (AUC 0.500)")
    for name, item in curves.items():
        assert item.p_fake is not None
        ones = np.ones((1, len(item)), np.float32)
        tps, fps = (counts[0] for counts in cumulative_counts(item.labels, item.p_fake, ones))
        area = point(item, ["auc"])["auc"]
        axis.plot(
            fps / fps[-1],
            tps / tps[-1],
            label=f"{plain(name)} (AUC {area:.3f})",
            linewidth=1.4,
        )
    axis.set(
        xlabel="false positive rate (FPR)",
        ylabel="true positive rate (TPR)",
        title="ROC",
        aspect="equal",
    )
    axis.grid(alpha=0.3)
    _legend(axis, "lower right")


def draw_reliability(axis: Any, curves: Mapping[str, Predictions]) -> None:
    """The fraction of fakes against the mean p_fake, in bins of equal width. A point's area grows
    with its files; where there is one curve, their number stands beside it.

    Args:
        axis: to draw on.
        curves: by name; each has probabilities.
    """
    axis.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", label="calibrated")
    for name, item in curves.items():
        assert item.p_fake is not None
        p, fake = item.p_fake[item.scored], item.labels[item.scored] == FAKE
        place = np.minimum((p * _BINS).astype(int), _BINS - 1)
        count = np.bincount(place, minlength=_BINS)
        filled = count > 0
        given = np.bincount(place, p, _BINS)[filled] / count[filled]
        seen = np.bincount(place, fake, _BINS)[filled] / count[filled]
        (drawn,) = axis.plot(given, seen, linewidth=1.2, label=plain(name))
        areas = 12 + 100 * count[filled] / count.max()
        axis.scatter(given, seen, areas, color=drawn.get_color(), alpha=0.7, linewidths=0)
        if len(curves) == 1:
            _write_counts(axis, given, seen, count[filled])
    axis.set(
        xlabel=f"mean p_fake ({_BINS} bins; area: files)",
        ylabel="fraction of fakes",
        title="reliability",
        aspect="equal",
        xlim=(-0.04, 1.04),
        ylim=(-0.08, 1.08),
    )
    axis.grid(alpha=0.3)
    _legend(axis, "upper left")


def _write_counts(axis: Any, given: Any, seen: Any, counts: Any) -> None:
    for x, y, files in zip(given, seen, counts, strict=True):
        axis.annotate(
            f"n={files}" if x == given[0] else str(files),
            (x, y),
            xytext=(0, -9 if y > 0.5 else 9),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7,
        )


def draw_confusion(axis: Any, matrix: Sequence[Sequence[int]]) -> None:
    """The confusion matrix, rows the true label, columns the predicted one; with each row's
    shares."""
    cells = np.asarray(matrix)
    axis.imshow(cells, cmap="Blues", vmin=0)
    for (row, column), count in np.ndenumerate(cells):
        colour = "white" if count > cells.max() / 2 else "black"
        of = cells[row].sum()
        share = f"\n{count / of:.1%}" if of else ""
        axis.text(column, row, f"{count}{share}", ha="center", va="center", color=colour)
    axis.set_xticks([0, 1], ["real", "fake"])
    axis.set_yticks([0, 1], ["real", "fake"])
    axis.set(xlabel="predicted label", ylabel="true label", title="confusion matrix")


def _legend(axis: Any, place: str) -> None:
    axis.legend(fontsize=8, loc=place)
