"""Intervals of the metrics of labels, from draws of the confusion matrix.

Files of one group (a person, a source video) are not independent: the scatter between groups, not
between files, is the uncertainty.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from dfsubmit.intervals.quantiles import CONFIDENCE, SAMPLES, Interval, central, t_quantile
from dfsubmit.labels import FAKE, REAL
from dfsubmit.metrics import Predictions, label_metrics, point
from dfsubmit.records import FloatArray, IntArray

AGREEING = 0.5
"""How much of a wholly agreeing group is added to those that tell how alike a group's files are: a
few wrong labels say little about it. Chosen by simulation (`benchmarks/coverage.py`)."""


def label_interval(
    predictions: Predictions,
    groups: IntArray,
    name: str = "macro_f1",
    samples: int = SAMPLES,
    seed: int = 0,
) -> Interval:
    """The 95 % interval of a metric of labels; NaN ends where it is undefined.

    Quantiles of the metric over `cell_draws`. An end moves to the metric's own value where
    that lies outside (all files right), as in the modified Jeffreys interval of Brown, Cai and
    DasGupta (Statistical Science 16, 2001). So it always has a width.

    Args:
        predictions: of n files.
        groups: int64 (n,), numbers; files of one group stand together.
        name: of `metrics.BY_LABEL`.
        samples: draws.
        seed: the same seed gives the same interval.
    """
    draws = cell_draws(predictions, groups, name, samples, seed)
    return central(label_metrics(draws)[name], point(predictions, [name])[name])


def cell_draws(
    predictions: Predictions,
    groups: IntArray,
    name: str = "macro_f1",
    samples: int = SAMPLES,
    seed: int = 0,
) -> FloatArray:
    """Shares of true positives, false positives, false negatives and true negatives among files
    like these, as they may truly be: float64 (samples, 4), rows that add up to 1.

    Draws of a Dirichlet distribution with the parameters count + 1/2, its posterior under Jeffreys'
    prior (Gelman et al., Bayesian Data Analysis, 3rd ed., section 3.4). In groups, the counts
    are divided by `name`'s design effect, so that they weigh as much as independent files would
    (Rao and Scott, Biometrics 48, 1992). Cells of a class that no file has stay 0.

    Args:
        predictions: of n files.
        groups: int64 (n,), numbers.
        name: of `metrics.BY_LABEL`: whose design effect.
        samples, seed: as for `label_interval`.
    """
    return _draws(
        _cells(predictions.labels, predictions.predicted),
        _present(predictions.labels, per_class=2),
        1 / 2,
        np.array([False, True, True, False]),
        lambda cells: label_metrics(cells)[name],
        groups,
        samples,
        seed,
    )


def difference_interval(
    first: Predictions,
    second: Predictions,
    groups: IntArray,
    name: str = "macro_f1",
    comparisons: int = 1,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Interval:
    """The 95 % interval of first minus second, of two rules on the same files.

    As `label_interval`, with cells for both rules' labels together: truth, first, second. The
    prior of 1/4 a cell gives each rule alone the same distribution as `cell_draws`.

    Args:
        first, second: labels of the same n files.
        groups: int64 (n,), numbers.
        name: of `metrics.BY_LABEL`.
        comparisons: among how many such differences this one is looked at; the interval is widened
            so that all of them together hold with 95 % (Bonferroni).
        samples, seed: as for `label_interval`.
    """
    labels = first.labels

    def difference(cells: FloatArray) -> FloatArray:
        # The cells in the order of `_cells` for the first rule, twice: the second right, wrong.
        right, wrong = cells[:, :4], cells[:, 4:]
        # Where the second rule's answer differs from the first's, its cell does.
        of_second = np.stack(
            [
                right[:, 0] + right[:, 2],
                wrong[:, 1] + wrong[:, 3],
                wrong[:, 0] + wrong[:, 2],
                right[:, 1] + right[:, 3],
            ],
            axis=1,
        )
        return np.asarray(label_metrics(right + wrong)[name] - label_metrics(of_second)[name])

    codes = _cells(labels, first.predicted) + 4 * (second.predicted != labels)
    values = difference(
        _draws(
            codes,
            np.tile(_present(labels, 2), 2),
            1 / 4,
            # Cells in which the two differ: the first right and the second wrong, and reversed.
            np.array([False, True, True, False, True, False, False, True]),
            difference,
            groups,
            samples,
            seed,
        )
    )
    value = point(first, [name])[name] - point(second, [name])[name]
    return central(values, value, 1 - (1 - CONFIDENCE) / comparisons)


def _cells(labels: IntArray, predicted: IntArray) -> IntArray:
    """Each file's cell: 0 true positive, 1 false positive, 2 false negative, 3 true negative."""
    return np.asarray(2 * (predicted != FAKE) + (labels != FAKE), dtype=np.int64)


def _present(labels: IntArray, per_class: int) -> FloatArray:
    """1.0 for the cells of classes that some file has, in the order of `_cells`."""
    return np.tile([float((labels == FAKE).any()), float((labels == REAL).any())], per_class)


def _draws(
    codes: IntArray,
    present: FloatArray,
    prior: float,
    telling: npt.NDArray[np.bool_],
    metric: Callable[[FloatArray], FloatArray],
    groups: IntArray,
    samples: int,
    seed: int,
) -> FloatArray:
    """Dirichlet draws of the cells' shares, (samples, cells); see `cell_draws`."""
    counts = np.bincount(codes, minlength=len(present)).astype(np.float64)
    effect = _design_effect(codes, counts + prior * present, telling, metric, groups)
    parameters = counts / effect + prior * present
    random = np.random.default_rng(seed)
    draws = random.standard_gamma(parameters, size=(samples, len(parameters)))
    return np.asarray(draws / draws.sum(axis=1, keepdims=True))


def _design_effect(
    codes: IntArray,
    smoothed: FloatArray,
    telling: npt.NDArray[np.bool_],
    metric: Callable[[FloatArray], FloatArray],
    groups: IntArray,
) -> float:
    """By how much the metric's variance exceeds that of as many independent files; ≥ 1.

    Linearised: each file counts as the metric's derivative by its cell, at the smoothed counts,
    and the variance is that of the groups' sums over that of the files (Rao and Scott 1992). What
    it says rests on the groups with a telling file: `AGREEING` of a group is added in which all
    agree, the worst that there can be. Few groups: times (t/z)**2, which widens the interval as a t
    quantile of the groups would. One group says nothing about the scatter between groups: infinite.
    """
    _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if sizes.max() == 1:
        return 1.0
    shares = smoothed / smoothed.sum()
    steps = np.diag(shares * 1e-4)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = (metric(shares + steps) - metric(shares - steps)) / (2e-4 * shares)
    slopes = np.nan_to_num(slopes)
    slopes[np.abs(slopes) < 1e-6 * np.abs(slopes).max()] = 0.0  # rounding
    values = slopes[codes]
    # Of recall, say, the fakes: cells alternate between the classes.
    of_class = [slopes[parity::2].any() for parity in (0, 1)]
    concerned = np.asarray(of_class)[codes % 2]
    count = len(np.unique(numbers[concerned]))
    if count < 2:
        return math.inf
    observed = 0.0
    if values.any():
        sums = np.bincount(numbers, values)
        observed = float(sums @ sums) / float(values @ values)
    sizes = np.bincount(numbers[concerned])
    worst = float(sizes @ sizes) / float(sizes.sum())
    told = len(np.unique(numbers[concerned & telling[codes]]))
    effect = (told * observed + AGREEING * worst) / (told + AGREEING) * count / (count - 1)
    normal = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    return max(1.0, effect * (t_quantile(count - 1) / normal) ** 2)
