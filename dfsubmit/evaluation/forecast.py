"""Labelled files → what macro F1 a hidden set of files will show, and at other shares of fakes.

An interval of the true macro F1 is no forecast of a figure on N files: those are few themselves.
And macro F1 moves with the share of fakes, although the model stays what it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfsubmit.intervals.labels import cell_draws
from dfsubmit.intervals.quantiles import SAMPLES, Interval, central
from dfsubmit.labels import FAKE, REAL
from dfsubmit.metrics import Predictions, label_metrics, point
from dfsubmit.records import FloatArray, IntArray

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""The shares of fakes of the table."""


@dataclass(frozen=True)
class AtShare:
    """What to expect where so many of the hidden files are fake.

    Attributes:
        share: of fakes, in (0, 1).
        macro_f1: of very many files with the true and false positive rates measured.
        interval: that holds the macro F1 of the hidden files in 95 of 100 cases.
    """

    share: float
    macro_f1: float
    interval: Interval


@dataclass(frozen=True)
class Forecast:
    """What a hidden set will show, if its files are like the labelled ones.

    Attributes:
        hidden: how many files it has.
        interval: that holds its macro F1 in 95 of 100 cases, at the share of fakes of the
            labelled files.
        true_positive_rate, false_positive_rate: of fakes and of reals, the share called fake.
        at_shares: the same at other shares of fakes.
    """

    hidden: int
    interval: Interval
    true_positive_rate: float
    false_positive_rate: float
    at_shares: tuple[AtShare, ...]


def forecast(
    predictions: Predictions,
    groups: IntArray,
    hidden: int,
    seed: int = 0,
    samples: int = SAMPLES,
) -> Forecast | None:
    """The prediction intervals for a hidden set; None where a class has no file.

    What the model's confusion matrix may truly be is drawn (`cell_draws`), and from each of those
    the hidden files, multinomially: the posterior predictive distribution (Gelman et al., Bayesian
    Data Analysis, 3rd ed., section 1.3). At another share of fakes the rates of the drawn matrix
    stay and its classes are weighed anew. Hidden files are taken to be independent of one another.

    Args:
        predictions: of n labelled files.
        groups: int64 (n,), numbers; files of one group stand together.
        hidden: files of the hidden set, ≥ 1.
        seed, samples: of the draws.
    """
    value = point(predictions, ["macro_f1"])["macro_f1"]
    if np.isnan(value):
        return None
    cells = cell_draws(predictions, groups, "macro_f1", samples, seed)
    random = np.random.default_rng(seed)
    fakes = predictions.labels == FAKE
    reals = predictions.labels == REAL
    said = predictions.predicted == FAKE
    rates = np.array([said[fakes].mean(), said[reals].mean()])
    drawn = np.stack(
        [cells[:, 0] / (cells[:, 0] + cells[:, 2]), cells[:, 1] / cells[:, 1::2].sum(axis=1)]
    )
    rows = []
    for share in SHARES:
        expected = float(label_metrics(_cells(rates[:, None], share))["macro_f1"][0])
        rows.append(
            AtShare(share, expected, _interval(_cells(drawn, share), hidden, expected, random))
        )
    return Forecast(
        hidden,
        _interval(cells, hidden, value, random),
        float(rates[0]),
        float(rates[1]),
        tuple(rows),
    )


def _cells(rates: FloatArray, share: float) -> FloatArray:
    """Confusion matrices, (b, 4), of true and false positive rates, (2, b), at a share of fakes."""
    recall, fallout = rates
    fake, real = share, 1 - share
    return np.stack(
        [fake * recall, real * fallout, fake * (1 - recall), real * (1 - fallout)], axis=1
    )


def _interval(
    cells: FloatArray, hidden: int, value: float, random: np.random.Generator
) -> Interval:
    """Of macro F1 over hidden files drawn from each row of cells."""
    counts = random.multinomial(hidden, cells).astype(np.float64)
    drawn = label_metrics(counts)["macro_f1"]
    # So few hidden files that a class has none: nothing to average.
    return central(drawn[~np.isnan(drawn)], value)
