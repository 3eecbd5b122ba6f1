"""A classifier two-sample test: whether two samples come from one distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfsubmit.console import progress_bar
from dfsubmit.errors import UsageError
from dfsubmit.records import Features, FloatArray, IntArray

FOLDS = 5
PERMUTATIONS = 500
FEWEST, MOST = 20, 1000
"""The minimum number of rows per sample for a test, and the maximum, to which larger samples are
reduced at random."""
_RIDGE = 0.01


@dataclass(frozen=True)
class TwoSamples:
    """How well a classifier told two samples apart.

    Attributes:
        auc: of rows that it had not seen, in [0, 1]; 0.5 is not at all.
        p: the share of permutations with as high an AUC; at least 1 / (`PERMUTATIONS` + 1).
        rows: the numbers of rows used of either sample.
    """

    auc: float
    p: float
    rows: tuple[int, int]


def tell_apart(
    first: Features, second: Features, seed: int = 0, progress: bool = False
) -> TwoSamples:
    """The classifier two-sample test of Lopez-Paz and Oquab ("Revisiting Classifier Two-Sample
    Tests", ICLR 2017), with AUC in place of accuracy, for the samples differ in size.

    The classifier is ridge regression on the standardised features, whose direction is that of
    a regularised linear discriminant. Of each of five folds the AUC is taken by itself: the folds
    differ in their offset. The p value is that of a permutation test: the rows change samples
    within their folds, and everything is fitted again.

    Args:
        first, second: float32 (n, width) and (m, width), finite.
        seed: of rows drawn, folds and permutations.
        progress: show a progress bar on stderr.

    Raises:
        UsageError: a sample has fewer than `FEWEST` rows, or the widths differ.
    """
    if min(len(first), len(second)) < FEWEST:
        raise UsageError(
            f"{len(first)} files and {len(second)}: to compare them takes {FEWEST} of either"
        )
    if first.shape[1] != second.shape[1]:
        raise UsageError(f"features of {first.shape[1]} and of {second.shape[1]} numbers")
    random = np.random.default_rng(seed)
    samples = [
        rows if len(rows) <= MOST else rows[np.sort(random.choice(len(rows), MOST, replace=False))]
        for rows in (first, second)
    ]
    counts = (len(samples[0]), len(samples[1]))
    kernel = _kernel(np.concatenate(samples).astype(np.float64))
    fold = np.concatenate([random.permutation(count) % FOLDS for count in counts])
    # Column 0 is the truth; the others move rows between the samples within a fold.
    sides = np.tile(np.repeat([0, 1], counts)[:, None], (1, PERMUTATIONS + 1))
    for held_out in range(FOLDS):
        inside = np.flatnonzero(fold == held_out)
        sides[inside, 1:] = random.permuted(sides[inside, 1:], axis=0)
    aucs = np.zeros(PERMUTATIONS + 1)
    bar = progress_bar(FOLDS, "drift", progress)
    for held_out in range(FOLDS):
        aucs += _aucs_of_fold(kernel, fold == held_out, sides) / FOLDS
        bar.update()
    bar.close()
    p = float((aucs >= aucs[0] - 1e-12).sum()) / len(aucs)
    return TwoSamples(float(aucs[0]), p, counts)


def _kernel(rows: FloatArray) -> FloatArray:
    """Inner products of the standardised rows, the mean of the diagonal 1."""
    spread = rows.std(axis=0)
    varying = spread > 1e-9 * max(float(spread.max()), 1e-30)
    if not varying.any():
        return np.zeros((len(rows), len(rows)))
    scaled = (rows[:, varying] - rows[:, varying].mean(axis=0)) / spread[varying]
    return np.asarray(scaled @ scaled.T / scaled.shape[1])


def _aucs_of_fold(
    kernel: FloatArray, inside: np.ndarray[tuple[int], np.dtype[np.bool_]], sides: IntArray
) -> FloatArray:
    """The AUC of the rows inside under each column of sides, fitted on the others: (columns,)."""
    learn, judge = np.flatnonzero(~inside), np.flatnonzero(inside)
    ridge = _RIDGE * len(learn) * np.eye(len(learn))
    # The features are the same under every permutation: one factor serves them all.
    weights = np.linalg.solve(kernel[np.ix_(learn, learn)] + ridge, kernel[np.ix_(learn, judge)])
    targets = sides[learn] - sides[learn].mean(axis=0)
    scores = weights.T @ targets
    return np.array(
        [_auc(scores[:, column], sides[judge, column] == 1) for column in range(sides.shape[1])]
    )


def _auc(scores: FloatArray, positive: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    """The share of pairs in order, ties counted half (Mann and Whitney)."""
    ranked = np.sort(scores[~positive])
    below = np.searchsorted(ranked, scores[positive], side="left")
    upto = np.searchsorted(ranked, scores[positive], side="right")
    return float((below + upto).mean() / (2 * len(ranked)))
