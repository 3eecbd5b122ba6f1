"""Drift: whether a run's features have the same distribution as those of a reference run.

In: two `KeptRun`s of one model, without labels. Out: a `Drift`: the alarm and, only if there is
none, the estimated share of fakes. It changes no label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfsubmit.evaluation.statistics.prevalence import share_of_fakes
from dfsubmit.evaluation.statistics.twosample import TwoSamples, tell_apart
from dfsubmit.intervals.quantiles import Interval
from dfsubmit.output.features import KeptRun

ALARM_BELOW = 0.05
"""The p value under which the alarm sounds."""


@dataclass(frozen=True)
class Drift:
    """A run against its reference.

    Attributes:
        told_apart: how well a classifier on the model's features told the files apart.
        share: the share of fakes here, with its 95 % interval; None where the alarm sounds, or
            probabilities are missing (after an early exit).
        reference_share: the same model's mean p_fake over the reference.
    """

    told_apart: TwoSamples
    share: tuple[float, Interval] | None
    reference_share: float

    @property
    def quiet(self) -> bool:
        """Whether nothing was found."""
        return self.told_apart.p >= ALARM_BELOW


def drift(run: KeptRun, reference: KeptRun, seed: int = 0, progress: bool = False) -> Drift:
    """Hold a run against its reference.

    Features of the model itself show what moves its decisions: Rabanser, Günnemann and Lipton
    ("Failing Loudly", NeurIPS 2019) compare such tests.

    Raises:
        UsageError: there are too few files, or features of another width.
    """
    told_apart = tell_apart(reference.features, run.features, seed, progress)
    known = not (np.isnan(run.p_fake).any() or np.isnan(reference.p_fake).any())
    share = None
    if known and told_apart.p >= ALARM_BELOW:
        share = share_of_fakes(run.p_fake, reference.p_fake, seed)
    return Drift(told_apart, share, float(reference.p_fake.mean()))
