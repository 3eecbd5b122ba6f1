"""The classifier two-sample test, against scikit-learn's ridge and against what is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from dfsubmit.errors import UsageError
from dfsubmit.evaluation.statistics import twosample
from dfsubmit.evaluation.statistics.twosample import FOLDS, MOST, tell_apart
from dfsubmit.records import Features


def normal(random: np.random.Generator, n: int, shift: float = 0.0, width: int = 30) -> Features:
    rows = random.normal(size=(n, width))
    rows[:, 0] += shift
    return rows.astype(np.float32)


@pytest.fixture
def few_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twosample, "PERMUTATIONS", 60)


@pytest.mark.usefixtures("few_permutations")
def test_the_auc_is_that_of_ridge_regression_out_of_fold() -> None:
    random = np.random.default_rng(3)
    first, second = normal(random, 60, width=8), normal(random, 40, 1.0, 8)
    # The folds that the seed gives, drawn as `tell_apart` draws them.
    again = np.random.default_rng(0)
    fold = np.concatenate([again.permutation(60) % FOLDS, again.permutation(40) % FOLDS])
    rows, side = np.concatenate([first, second]).astype(float), np.repeat([0, 1], [60, 40])
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0) / np.sqrt(8)
    aucs = []
    for held_out in range(FOLDS):
        learn, judge = fold != held_out, fold == held_out
        ridge = Ridge(alpha=0.01 * learn.sum(), fit_intercept=False)
        ridge.fit(scaled[learn], side[learn] - side[learn].mean())
        aucs.append(roc_auc_score(side[judge], ridge.predict(scaled[judge])))
    assert tell_apart(first, second).auc == pytest.approx(np.mean(aucs))


@pytest.mark.usefixtures("few_permutations")
def test_one_distribution_is_rarely_called_two() -> None:
    random = np.random.default_rng(8)
    found = [tell_apart(normal(random, 30), normal(random, 70), seed) for seed in range(80)]
    assert np.mean([item.p < 0.05 for item in found]) <= 0.1
    assert np.mean([item.auc for item in found]) == pytest.approx(0.5, abs=0.02)


@pytest.mark.usefixtures("few_permutations")
def test_two_distributions_are_told_apart() -> None:
    random = np.random.default_rng(9)
    found = tell_apart(normal(random, 100), normal(random, 300, 2.0))
    assert found.auc > 0.85
    assert found.p == pytest.approx(1 / 61)
    assert found.rows == (100, 300)
    same = normal(random, 100)
    assert tell_apart(same, same).p > 0.5


@pytest.mark.usefixtures("few_permutations")
def test_features_that_say_nothing_or_one_thing_are_no_difference() -> None:
    constant = np.ones((30, 4), np.float32)
    assert tell_apart(constant, constant) == tell_apart(constant, constant, seed=1)
    assert tell_apart(constant, constant).auc == 0.5
    assert tell_apart(constant, constant).p == 1


@pytest.mark.usefixtures("few_permutations")
def test_of_many_rows_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twosample, "MOST", 50)
    random = np.random.default_rng(1)
    assert tell_apart(normal(random, 60), normal(random, 40)).rows == (50, 40)
    assert MOST == 1000


def test_what_cannot_be_compared_is_an_error() -> None:
    random = np.random.default_rng(1)
    with pytest.raises(UsageError, match="19 files and 30"):
        tell_apart(normal(random, 19), normal(random, 30))
    with pytest.raises(UsageError, match="30 and of 4 numbers"):
        tell_apart(normal(random, 20), normal(random, 30, width=4))
