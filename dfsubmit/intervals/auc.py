"""The interval of the area under the ROC curve."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from dfsubmit.intervals.labels import AGREEING
from dfsubmit.intervals.quantiles import CONFIDENCE, UNKNOWN, Interval, t_quantile
from dfsubmit.labels import FAKE, REAL
from dfsubmit.metrics import Predictions
from dfsubmit.records import FloatArray, IntArray


def auc_interval(predictions: Predictions, groups: IntArray) -> Interval:
    """The 95 % interval of the AUC; NaN ends without probabilities or with one class.

    DeLong's variance (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988), summed over groups
    (Obuchowski, Biometrics 53, 1997), taken to the logit, with a t quantile whose degrees of
    freedom are Satterthwaite's for the scatter of the two classes. To the scatter of each class
    `AGREEING` of a group is added in which all agree.

    If the classes are perfectly separated, there is no variance. Of m independent pairs of a fake
    and a real file, with m the number of groups of the rarer class, all are in order with
    probability AUC**m: the lower end is the AUC at which this is 2.5 %. With a single group of a
    class the scatter between groups is unknown: the interval is [0, 1].
    """
    labels, p_fake = predictions.labels, predictions.p_fake
    if p_fake is None or len(np.unique(labels)) < 2:
        return UNKNOWN
    fakes, reals = p_fake[labels == FAKE], p_fake[labels == REAL]
    # Of each file, the share of the other class that is in order with it; a tie is half.
    of_fakes, of_reals = _placed(fakes, reals), 1 - _placed(reals, fakes)
    auc = float(of_fakes.mean())
    group_fakes, group_reals = groups[labels == FAKE], groups[labels == REAL]
    pairs = min(
        len(np.unique(group_fakes)), len(np.unique(group_reals)), len(np.unique(groups)) // 2
    )
    if auc in (0.0, 1.0):
        edge = ((1 - CONFIDENCE) / 2) ** (1 / max(pairs, 1))
        return (edge, 1.0) if auc else (0.0, 1 - edge)
    number = int(groups.max()) + 1
    sums = np.stack(
        [
            np.bincount(group_fakes, of_fakes - auc, number) / len(fakes),
            np.bincount(group_reals, of_reals - auc, number) / len(reals),
        ]
    )
    counts = [len(np.unique(own)) for own in (group_fakes, group_reals)]
    if min(counts) < 2:
        return 0.0, 1.0
    own = [
        _scatter(places - auc, places < 1, numbers, count)
        for places, numbers, count in zip(
            (of_fakes, of_reals), (group_fakes, group_reals), counts, strict=True
        )
    ]
    total = len(np.unique(groups))
    variance = sum(own) + 2 * total / (total - 1) * float(sums[0] @ sums[1])
    if variance <= 0:
        return 0.0, 1.0
    freedom = sum(own) ** 2 / sum(v**2 / (c - 1) for v, c in zip(own, counts, strict=True))
    reach = t_quantile(freedom) * math.sqrt(variance) / (auc * (1 - auc))
    centre = math.log(auc / (1 - auc))
    return _sigmoid(centre - reach), _sigmoid(centre + reach)


def _scatter(
    deviations: FloatArray, telling: npt.NDArray[np.bool_], groups: IntArray, count: int
) -> float:
    """The variance of the mean deviation of one class, by its groups; see `labels.AGREEING`."""
    sums, sizes = np.bincount(groups, deviations), np.bincount(groups)
    observed = float(sums @ sums)
    worst = float(deviations @ deviations) * float(sizes @ sizes) / len(groups)
    told = len(np.unique(groups[telling]))
    scatter = (told * observed + AGREEING * worst) / (told + AGREEING)
    return scatter * count / (count - 1) / len(groups) ** 2


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0


def _placed(own: FloatArray, others: FloatArray) -> FloatArray:
    """For each of `own`, the share of `others` below it, an equal one counted half."""
    ranked = np.sort(others)
    below, upto = (np.searchsorted(ranked, own, side=side) for side in ("left", "right"))
    return np.asarray((below + upto) / (2 * len(ranked)))
