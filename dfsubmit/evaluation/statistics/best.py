"""The out-of-fold value of choosing the best of several rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dfsubmit.evaluation.statistics.folds import out_of_fold
from dfsubmit.metrics import Predictions, point
from dfsubmit.records import FloatArray, IntArray


def best_out_of_fold(rules: Sequence[Predictions], groups: IntArray, seed: int = 0) -> Predictions:
    """Each file's label by the rule with the best macro F1 on the *other* folds.

    The best of several rules looks better than it is on the files that chose it. The same choice,
    made on four fifths of the groups and judged on the fifth, does not (Cawley and Talbot, JMLR 11,
    2010). Of equally good rules the first is taken.

    Args:
        rules: labels of the same n files.
        groups: int64 (n,), numbers from 0 up without gaps.
        seed: of the folds.

    Raises:
        UsageError: as `out_of_fold`.
    """
    labels = rules[0].labels

    def judge(rows: npt.NDArray[np.bool_]) -> FloatArray:
        f1 = [point(rule.take(rows), ["macro_f1"])["macro_f1"] for rule in rules]
        return rules[int(np.argmax(f1))].predicted.astype(np.float64)

    predicted = out_of_fold(labels, groups, judge, seed).astype(np.int64)
    return Predictions(labels, predicted, None, np.zeros(len(labels), dtype=bool))
