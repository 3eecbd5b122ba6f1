"""With early exit every bounded rule gives the label of the full run, from fewer frames."""

from __future__ import annotations

import dfsubmit_aggregators
import numpy as np
import numpy.typing as npt
import pytest

from dfsubmit.hooks import FloatArray, FrameScores
from dfsubmit.hooks.interfaces import BoundAggregator
from dfsubmit.hooks.testing import registered_by
from dfsubmit.media.sampling import coarse_to_fine
from dfsubmit.scoring.aggregate import label_for
from dfsubmit.scoring.earlyexit import next_grant

PLUGIN = registered_by(dfsubmit_aggregators)
BOUNDED = {
    name: PLUGIN.aggregator(name) for name, item in PLUGIN.aggregators.items() if item.bounds
}


def frames(p_fake: FloatArray) -> FrameScores:
    n = len(p_fake)
    return FrameScores(
        p_fake, np.arange(n, dtype=np.float64), np.zeros((n, 4), np.int64), np.ones(n)
    )


def early(
    rule: BoundAggregator, p_fake: FloatArray, has_face: npt.NDArray[np.bool_], threshold: float
) -> tuple[int, int]:
    """The label, and how many frames it took to be sure of it."""
    order = coarse_to_fine(len(p_fake))
    visited = 0
    while True:
        seen = sorted(place for place in order[:visited] if has_face[place])
        scores = frames(p_fake[seen])
        grant = next_grant(rule.bounds, scores, len(order) - visited, threshold)
        if grant == 0:
            return label_for(rule(scores), threshold), visited
        visited += grant


def test_the_rules_that_are_bounded() -> None:
    assert set(BOUNDED) == {
        "median", "logit-mean", "trimmed-mean", "topk", "max", "quantile", "mean-max", "vote",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(BOUNDED))
def test_the_label_is_that_of_all_frames(name: str) -> None:
    rule, random = BOUNDED[name], np.random.default_rng(7)
    saved = 0
    for trial in range(60):
        n = int(random.integers(1, 41))
        centre = random.uniform()
        p_fake = np.clip(random.normal(centre, 0.2, n), 0, 1)
        has_face = random.uniform(size=n) < 0.8
        has_face[0] = True
        threshold = (0.5, 0.3, 0.8)[trial % 3]
        label, visited = early(rule, p_fake, has_face, threshold)
        assert label == label_for(rule(frames(p_fake[has_face])), threshold)
        saved += n - visited
    assert saved > 0
