"""The page's figures as inline SVG, coloured by its style sheet.

In: numbers. Out: `Markup`, escaped. A figure's text alternative is its ``aria-label``; what is
drawn stands in the page's text or tables as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from dfsubmit.metrics import Predictions, cumulative_counts
from dfsubmit.records import FloatArray

SPARK_POINTS = 48
"""A sparkline has no room for more."""

SQUARE = (44, 280)
"""Of a chart whose axes both go from 0 to 1: the space at its left, and its side."""


def histogram(
    series: Sequence[tuple[str, str, FloatArray]], threshold: float, words: dict[str, str]
) -> Markup:
    """Distribution of p_fake in 20 bins, the series stacked, and the threshold.

    Args:
        series: (class of the style sheet, name, values in [0, 1]) each.
        threshold: where the label changes.
        words: "alt", "x", "y" and "threshold", in the page's language.
    """
    width, height, left, bottom, top = 560, 200, 44, 36, 22
    wide, high = width - left - 12, height - bottom - top
    bins = np.linspace(0, 1, 21)
    counts = [np.histogram(values, bins)[0] for _, _, values in series]
    tallest = max(1, int(np.sum(counts, axis=0).max())) if counts else 1
    step = _round_step(tallest)
    ceiling = step * int(np.ceil(tallest / step))
    parts = []
    for value in range(0, ceiling + 1, step):
        y = top + high * (1 - value / ceiling)
        parts.append(_line("grid", left, y, left + wide, y))
        parts.append(_text("tick end", left - 6, y + 4, str(value)))
    base = np.zeros(20, np.int64)
    for (style, _, _), heights in zip(series, counts, strict=True):
        for place in np.flatnonzero(heights):
            x = left + wide * bins[place] + 1
            y = top + high * (1 - (base[place] + heights[place]) / ceiling)
            tall = high * heights[place] / ceiling
            parts.append(_rect(style, x, y, wide / 20 - 2, tall))
        base += heights
    parts += _ticks_below(left, wide, top + high)
    x = left + wide * threshold
    parts.append(_line("threshold", x, top - 6, x, top + high))
    anchor = "tick end" if threshold > 0.5 else "tick"
    shift = -5 if threshold > 0.5 else 5
    parts.append(_text(anchor, x + shift, top - 8, words["threshold"]))
    parts.append(_text("axis middle", left + wide / 2, height - 4, words["x"]))
    parts.append(_text("axis", 2, 10, words["y"]))
    return _figure("chart", width, height, words["alt"], parts)


def shares(parts: Sequence[tuple[str, float]], alt: str) -> Markup:
    """A bar whose parts are shares of the whole.

    Args:
        parts: (class of the style sheet, a number of 0 and up) each.
        alt: its text alternative.
    """
    total = sum(value for _, value in parts) or 1.0
    drawn, x = [], 0.0
    for style, value in parts:
        drawn.append(_rect(style, x, 0, 560 * value / total, 18))
        x += 560 * value / total
    return Markup(
        '<svg class="chart shares" viewBox="0 0 560 18" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>'
    ).format(alt, Markup("").join(drawn))


def roc(curves: Sequence[tuple[str, str, Predictions]], words: dict[str, str]) -> Markup:
    """ROC curves with the chance line; the legend is the page's text.

    Args:
        curves: (class of the style sheet, legend, predictions with probabilities) each.
        words: "alt", "x" and "y".
    """
    left, side = SQUARE
    parts = _square_axes(words)
    parts.append(_line("chance", left, 8 + side, left + side, 8))
    for number, (style, legend, item) in enumerate(curves):
        assert item.p_fake is not None
        ones = np.ones((1, len(item)), np.float32)
        found, wrong = (counts[0] for counts in cumulative_counts(item.labels, item.p_fake, ones))
        if not (found[-1] and wrong[-1]):
            continue
        points = [(left, 8.0 + side)] + [
            (left + side * float(x), 8 + side * (1 - float(y)))
            for x, y in zip(wrong / wrong[-1], found / found[-1], strict=True)
        ]
        parts.append(_polyline(f"curve {style}", points))
        y = 8 + side - 16 - 18 * (len(curves) - 1 - number)
        parts.append(_line(f"curve {style}", left + 70, y - 4, left + 88, y - 4))
        parts.append(_text("tick", left + 94, y, legend))
    return _figure("chart square", left + side + 12, side + 44, words["alt"], parts)


def scatter(
    points: Sequence[tuple[float, float, bool]],
    thresholds: tuple[float, float],
    words: dict[str, str],
) -> Markup:
    """p_fake of the same files in two runs, and both thresholds.

    Args:
        points: (p in the first run, p in the second, whether the label changed) each.
        thresholds: of the two runs.
        words: "alt", "x" and "y".
    """
    left, side = SQUARE
    parts = _square_axes(words)
    x, y = left + side * thresholds[0], 8 + side * (1 - thresholds[1])
    parts += [_line("threshold", x, 8, x, 8 + side), _line("threshold", left, y, left + side, y)]
    for changed in (False, True):
        dots = [
            (left + side * first, 8 + side * (1 - second))
            for first, second, moved in points
            if moved is changed
        ]
        parts.append(_dots("moved" if changed else "still", dots))
    return _figure("chart square", left + side + 12, side + 44, words["alt"], parts)


def bar(p_fake: float, threshold: float, fake: bool) -> Markup:
    """p_fake as a bar with the threshold; its number stands beside it in the page's text."""
    style = "fake" if fake else "real"
    return Markup(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="8"/><rect class="{}" width="{}" height="8"/>'
        '<path class="mark" d="M{} 0v8"/></svg>'
    ).format(style, _number(100 * p_fake), _number(100 * threshold))


def sparkline(times: FloatArray, p_fake: FloatArray, threshold: float) -> Markup:
    """p_fake over time, small; the same as a timeline in the opened row."""
    if len(p_fake) > SPARK_POINTS:
        chosen = np.linspace(0, len(p_fake) - 1, SPARK_POINTS).astype(int)
        times, p_fake = times[chosen], p_fake[chosen]
    x, y = _places(times, 0, 100), 2 + 20 * (1 - p_fake)
    return Markup(
        '<svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="mark" d="M0 {}h100"/><polyline points="{}"/></svg>'
    ).format(_number(2 + 20 * (1 - threshold)), _points(zip(x, y, strict=True)))


def timeline(
    times: FloatArray,
    p_fake: FloatArray,
    threshold: float,
    aggregate: float | None,
    words: dict[str, str],
) -> Markup:
    """p_fake of each frame over seconds, the threshold, and what became of them.

    Args:
        times: seconds, ascending.
        p_fake: of each, in [0, 1].
        threshold: where the label changes.
        aggregate: the file's p_fake; None where there is none.
        words: "alt", "x", "threshold" and "aggregate".
    """
    width, height, left, top, right = 640, 190, 36, 10, 96
    wide, high = width - left - right, height - top - 34
    parts = []
    for value in (0, 0.5, 1):
        y = top + high * (1 - value)
        parts.append(_line("grid", left, y, left + wide, y))
        parts.append(_text("tick end", left - 6, y + 4, f"{value:g}"))
    last = float(times[-1]) if len(times) else 0.0
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = left + wide * share
        parts.append(_text("tick middle", x, top + high + 14, f"{last * share:.3g}"))
    level = top + high * (1 - threshold)
    parts.append(_line("threshold", left, level, left + wide, level))
    label = level + 4
    if aggregate is not None:
        y = top + high * (1 - aggregate)
        parts.append(_line("aggregate", left, y, left + wide, y))
        if abs(y - level) < 13:  # their names would lie on each other
            label = level + 4 + (13 - abs(y - level)) * (1 if level >= y else -1)
        parts.append(_text("tick strong", left + wide + 6, y + 4, words["aggregate"]))
    parts.append(_text("tick", left + wide + 6, label, words["threshold"]))
    across, down = _places(times, left, wide), top + high * (1 - p_fake)
    spots = list(zip(across.tolist(), down.tolist(), strict=True))
    parts.append(_polyline("line", spots))
    for style, chosen in (("real", p_fake <= threshold), ("fake", p_fake > threshold)):
        parts.append(_dots(style, [spot for spot, here in zip(spots, chosen, strict=True) if here]))
    parts.append(_text("axis middle", left + wide / 2, height - 4, words["x"]))
    return _figure("chart timeline", width, height, words["alt"], parts)


def _places(times: FloatArray, left: float, wide: float) -> FloatArray:
    last = float(times[-1]) if len(times) else 0.0
    if last <= 0:
        return np.linspace(left, left + wide, len(times), dtype=np.float64)
    return np.asarray(left + wide * times / last, np.float64)


def _round_step(largest: int) -> int:
    """A step of 1, 2 or 5 times a power of ten that gives at most five steps."""
    step = 1
    while largest / step > 5:
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    return step


def _square_axes(words: dict[str, str]) -> list[Markup]:
    """Both axes from 0 to 1, with their titles, of a chart of `SQUARE`."""
    left, side = SQUARE
    parts = []
    for value in (0, 0.25, 0.5, 0.75, 1):
        y = 8 + side * (1 - value)
        parts.append(_line("grid", left, y, left + side, y))
        parts.append(_text("tick end", left - 6, y + 4, f"{value:g}"))
    parts += _ticks_below(left, side, 8 + side)
    parts.append(_text("axis middle", left + side / 2, side + 42, words["x"]))
    turned = '<text class="axis middle" transform="translate(10 {}) rotate(-90)">{}</text>'
    return [*parts, Markup(turned).format(_number(8 + side / 2), words["y"])]


def _ticks_below(left: float, wide: float, y: float) -> list[Markup]:
    values = (0, 0.25, 0.5, 0.75, 1)
    return [_text("tick middle", left + wide * value, y + 15, f"{value:g}") for value in values]


def _figure(style: str, width: float, height: float, alt: str, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        style, _number(width), _number(height), alt, Markup("").join(parts)
    )


def _line(style: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<path class="{}" d="M{} {}L{} {}"/>').format(
        style, *map(_number, (x1, y1, x2, y2))
    )


def _rect(style: str, x: float, y: float, width: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        style, *map(_number, (x, y, width, height))
    )


def _text(style: str, x: float, y: float, text: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(
        style, _number(x), _number(y), text
    )


def _polyline(style: str, points: Sequence[tuple[float, float]]) -> Markup:
    return Markup('<polyline class="{}" points="{}"/>').format(style, _points(points))


def _dots(style: str, points: Sequence[tuple[float, float]]) -> Markup:
    """Round dots as one path: lines of no length with round ends."""
    path = "".join(f"M{_number(x)} {_number(y)}h0" for x, y in points)
    return Markup('<path class="dots {}" d="{}"/>').format(style, path) if path else Markup("")


def _points(points: object) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)  # type: ignore[attr-defined]


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
