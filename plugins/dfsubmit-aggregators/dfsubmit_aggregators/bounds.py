"""Bounds of the aggregate while some frames are unknown, for early exit."""

from __future__ import annotations

import dataclasses

import numpy as np

from dfsubmit.hooks import Aggregator, Bounds, FrameScores


def extreme_frames(rule: Aggregator) -> Bounds:
    """Bounds of a rule that reads nothing but `p_fake`: all remaining frames 0, or all of them 1.

    Exact for rules that a further frame of 0 never raises and one of 1 never lowers, the rule
    being monotone: both ends are values that the aggregate really takes, and none lies outside.
    """

    def bounds(scores: FrameScores, remaining: int, **parameters: object) -> tuple[float, float]:
        if len(scores) + remaining == 0:
            return 0.0, 1.0
        ends = (
            rule(dataclasses.replace(scores, p_fake=np.append(scores.p_fake, rest)), **parameters)
            for rest in (np.zeros(remaining), np.ones(remaining))
        )
        low, high = ends
        return low, high

    return bounds
