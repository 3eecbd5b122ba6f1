"""Labelled files → the expected macro F1 on a hidden set of files, also at other shares of fakes.

A confidence interval of the true macro F1 is not a prediction interval for N files, which are a
sample themselves. Macro F1 also changes with the share of fakes, although the model is the same.
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
    """The expected result for one share of fakes among the hidden files.

    Attributes:
        share: of fakes, in (0, 1).
        macro_f1: the expected value for many files, from the measured true- and false-positive
            rates.
        interval: the 95 % prediction interval for the macro F1 of the hidden files.
    """

    share: float
    macro_f1: float
    interval: Interval


@dataclass(frozen=True)
class Forecast:
    """The expected result on a hidden set, if its files are like the labelled ones.

    Attributes:
        hidden: the number of its files.
        interval: the 95 % prediction interval for its macro F1, at the labelled files' share of
            fakes.
        true_positive_rate, false_positive_rate: the share of fake, and of real, files labelled
            fake.
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
