"""Cross-validation over groups of files: folds, and values fitted out of fold."""

from __future__ import annotations

import numpy as np

from dfsubmit.evaluation.statistics.threshold import best_threshold
from dfsubmit.records import FAKE, REAL, FloatArray, IntArray

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


def cross_validated(labels: IntArray, p_fake: FloatArray, groups: IntArray) -> IntArray | None:
    """int64 (n,): each file's label at the best threshold of the *other* folds.

    None where the files do not allow two folds with both classes outside each of them.
    """
    count = fold_count(labels, groups)
    if count < 2:
        return None
    fold = folds(labels, groups, count)
    predicted = np.empty(len(labels), np.int64)
    for held_out in range(count):
        outside = fold != held_out
        if len(np.unique(labels[outside])) < 2:
            return None
        threshold = best_threshold(labels[outside], p_fake[outside])
        predicted[~outside] = p_fake[~outside] > threshold
    return predicted
