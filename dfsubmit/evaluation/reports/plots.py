"""The plots that comparisons, evaluations and stress tests are made of, and a figure as PNG.

matplotlib is imported when a figure is drawn; its figures are used directly, so that neither a
display nor a global backend is involved.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dfsubmit.console import printable
from dfsubmit.errors import NotInstalled
from dfsubmit.metrics import Predictions, cumulative_counts
from dfsubmit.records import FAKE


def draw_forest(
    axis: Any,
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    reference: float,
    title: str = "macro F1",
) -> None:
    """Figures with their intervals, the first at the top, and a line at the reference."""
    places = np.arange(len(names))[::-1]
    axis.axvline(reference, color="0.7", linewidth=1)
    for place, value, (low, high) in zip(places, values, intervals, strict=True):
        axis.plot([low, high], [place, place], color="tab:blue", linewidth=1.5)
        axis.plot([value], [place], "o", color="tab:blue", markersize=5)
    axis.set_yticks(places, [plain(name) for name in names])
    axis.set_ylim(-0.6, len(names) - 0.4)
    axis.set_xlabel(f"{title}, 95 % interval")
    axis.grid(axis="x", alpha=0.3)


def draw_roc(axis: Any, curves: Mapping[str, Predictions]) -> None:
    """ROC curves: the share of fakes found against the share of reals called fake."""
    axis.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name, item in curves.items():
        if item.p_fake is None:
            continue
        ones = np.ones((1, len(item)), np.float32)
        tps, fps = (counts[0] for counts in cumulative_counts(item.labels, item.p_fake, ones))
        if tps[-1] and fps[-1]:
            axis.plot(fps / fps[-1], tps / tps[-1], label=plain(name), linewidth=1.2)
    axis.set(xlabel="reals called fake", ylabel="fakes found", title="ROC")
    _legend(axis)


def draw_reliability(axis: Any, curves: Mapping[str, Predictions], bins: int = 10) -> None:
    """The observed share of fakes against the probability given, in bins of equal width."""
    axis.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name, item in curves.items():
        if item.p_fake is None or not item.scored.any():
            continue
        p, fake = item.p_fake[item.scored], item.labels[item.scored] == FAKE
        place = np.minimum((p * bins).astype(int), bins - 1)
        count = np.bincount(place, minlength=bins)
        filled = count > 0
        given = np.bincount(place, p, bins)[filled] / count[filled]
        seen = np.bincount(place, fake, bins)[filled] / count[filled]
        axis.plot(given, seen, "o-", label=plain(name), linewidth=1.2, markersize=3)
    axis.set(xlabel="mean p_fake", ylabel="share of fakes", title="reliability")
    _legend(axis)


def draw_confusion(axis: Any, matrix: Sequence[Sequence[int]]) -> None:
    """The confusion matrix, rows the truth, columns the label given."""
    cells = np.asarray(matrix)
    axis.imshow(cells, cmap="Blues", vmin=0)
    for (row, column), count in np.ndenumerate(cells):
        colour = "white" if count > cells.max() / 2 else "black"
        axis.text(column, row, str(count), ha="center", va="center", color=colour)
    axis.set_xticks([0, 1], ["real", "fake"])
    axis.set_yticks([0, 1], ["real", "fake"])
    axis.set(xlabel="label given", ylabel="truth", title="files")


def _legend(axis: Any) -> None:
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8)


def plain(text: str) -> str:
    """Text that matplotlib shows as it is: no control characters, and no "$" as mathematics."""
    return printable(text).replace("$", r"\$")


def new_figure(command: str, width: float, height: float) -> Any:
    """An empty matplotlib figure, its size in inches.

    Raises:
        NotInstalled: matplotlib is missing; `command` names who needs it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NotInstalled.extra(f"dfsubmit {command} --plot", "eval", "matplotlib") from error
    return Figure(figsize=(width, height), layout="constrained")


def png(figure: Any) -> bytes:
    """The figure as the bytes of a PNG file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()
