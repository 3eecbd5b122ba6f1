"""The share of fakes without labels, against the EM algorithm written out."""

from __future__ import annotations

import numpy as np
import pytest

from dfsubmit.evaluation.statistics.prevalence import share_of_fakes
from dfsubmit.records import FloatArray


def scored(random: np.random.Generator, n: int, share: float) -> FloatArray:
    """Probabilities that are calibrated where half of the files are fake."""
    fake = random.uniform(size=n) < share
    logit = 2 * random.normal(np.where(fake, 1.0, -1.0))
    return np.asarray(1 / (1 + np.exp(-logit)))


def test_it_is_the_fixed_point_of_em() -> None:
    random = np.random.default_rng(0)
    here, there = scored(random, 300, 0.2), scored(random, 200, 0.5)
    prior = there.mean()
    share = prior
    for _ in range(2000):
        fake = here * share / prior
        share = float((fake / (fake + (1 - here) * (1 - share) / (1 - prior))).mean())
    assert share_of_fakes(here, there)[0] == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_the_interval_holds_the_true_share(share: float) -> None:
    random, held, values = np.random.default_rng(1), 0, []
    for seed in range(60):
        value, (low, high) = share_of_fakes(
            scored(random, 400, share), scored(random, 300, 0.5), seed
        )
        assert low <= value <= high
        held += low <= share <= high
        values.append(value)
    assert held >= 52
    assert np.mean(values) == pytest.approx(share, abs=0.02)


def test_certainty_does_not_break_it() -> None:
    value, _ = share_of_fakes(np.array([0.0, 1.0, 1.0, 1.0]), np.array([0.0, 1.0]))
    assert value == pytest.approx(0.75, abs=1e-3)
