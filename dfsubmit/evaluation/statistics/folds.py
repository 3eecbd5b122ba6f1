"""Cross-validation over groups of files: folds, and values fitted out of fold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dfsubmit.errors import UsageError
from dfsubmit.evaluation.statistics.threshold import best_threshold
from dfsubmit.labels import FAKE, REAL
from dfsubmit.records import FloatArray, IntArray

FOLDS = 5


def fold_count(labels: IntArray, groups: IntArray) -> int:
    """How many folds the files allow: at most `FOLDS`, and no more than either class has groups."""
    return min(FOLDS, *(len(np.unique(groups[labels == label])) for label in (REAL, FAKE)))


def folds(labels: IntArray, groups: IntArray, count: int, seed: int = 0) -> IntArray:
    """int64 (n,): the fold of each file, from 0; groups stay together, classes are spread evenly.

    Groups come large ones first, otherwise in random order; each goes to the fold that has the
    fewest files of the classes that it brings.
    """
    random = np.random.default_rng(seed)
    number = int(groups.max()) + 1
    sizes = np.zeros((number, 2))
    np.add.at(sizes, (groups, (labels == FAKE).astype(np.int64)), 1)
    shuffled = random.permutation(number)
    largest_first = shuffled[np.argsort(-sizes[shuffled].sum(axis=1), kind="stable")]
    share = np.maximum(sizes.sum(axis=0), 1)
    filled = np.zeros((count, 2))
    fold_of_group = np.zeros(number, np.int64)
    for group in largest_first:
        crowding = (filled / share) @ (sizes[group] / share)
        # Of equally crowded folds the smallest, so that none stays empty.
        fold = int(np.lexsort((filled.sum(axis=1), crowding))[0])
        fold_of_group[group] = fold
        filled[fold] += sizes[group]
    return fold_of_group[groups]


def out_of_fold(
    labels: IntArray,
    groups: IntArray,
    judge: Callable[[npt.NDArray[np.bool_]], FloatArray],
    seed: int = 0,
) -> FloatArray:
    """Each file's prediction by a fit on the *other* folds.

    Args:
        labels: int64 (n,).
        groups: int64 (n,), numbers from 0 up without gaps; files of a group stay in one fold.
        judge: fits on the files of a boolean mask (n,), and answers for all n: (..., n).
        seed: of the folds.

    Returns:
        as `judge` does.

    Raises:
        UsageError: there are no two folds with both classes outside each of them.
    """
    count = fold_count(labels, groups)
    if count < 2:
        raise UsageError(
            "at least two groups of files of each class are needed",
            "label more files, or of more people",
        )
    fold = folds(labels, groups, count, seed)
    said: FloatArray | None = None
    for held_out in range(count):
        inside = fold == held_out
        if len(np.unique(labels[~inside])) < 2:
            raise UsageError(
                "one group holds all files of a class but a few: there is nothing to validate on",
                "label files of more people",
            )
        answer = judge(~inside)
        said = np.where(inside, answer, answer if said is None else said)
    assert said is not None
    return said


def cross_validated(labels: IntArray, p_fake: FloatArray, groups: IntArray) -> IntArray:
    """int64 (n,): each file's label at the best threshold of the *other* folds.

    Raises:
        UsageError: as `out_of_fold`.
    """

    def judge(rows: npt.NDArray[np.bool_]) -> FloatArray:
        return (p_fake > best_threshold(labels[rows], p_fake[rows])).astype(np.float64)

    return out_of_fold(labels, groups, judge).astype(np.int64)
