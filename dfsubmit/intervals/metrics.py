"""The intervals of several metrics at once."""

from __future__ import annotations

from collections.abc import Collection

from dfsubmit.intervals.auc import auc_interval
from dfsubmit.intervals.labels import label_interval
from dfsubmit.intervals.quantiles import SAMPLES, Interval
from dfsubmit.metrics import BY_LABEL, Predictions
from dfsubmit.records import IntArray

WITH_INTERVAL = (*BY_LABEL, "auc")
"""The metrics that have one."""


def intervals(
    predictions: Predictions,
    groups: IntArray,
    names: Collection[str] = WITH_INTERVAL,
    samples: int = SAMPLES,
    seed: int = 0,
) -> dict[str, Interval]:
    """The 95 % intervals of the named metrics, by `label_interval` and `auc_interval`.

    Args:
        predictions: of n files.
        groups: int64 (n,), numbers; files of one group stand together.
        names: of metrics; those that are not of `WITH_INTERVAL` are left out of the result.
        samples, seed: of the random draws.
    """
    found = {}
    for name in names:
        if name == "auc":
            found[name] = auc_interval(predictions, groups)
        elif name in BY_LABEL:
            found[name] = label_interval(predictions, groups, name, samples, seed)
    return found
