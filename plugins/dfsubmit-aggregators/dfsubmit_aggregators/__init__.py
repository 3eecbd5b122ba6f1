"""Twelve frame aggregators for dfsubmit, registered under the names that the README lists."""

from __future__ import annotations

from dfsubmit.hooks import RegisterAggregator, hookimpl
from dfsubmit_aggregators import rules
from dfsubmit_aggregators.bounds import extreme_frames

DFSUBMIT_HOOKS = 1

_ALL = ("idempotent", "monotone", "order_independent")


@hookimpl
def register_aggregators(register: RegisterAggregator) -> None:
    """Register every rule with the properties that the tests hold it to."""
    for name, rule in (
        ("median", rules.median),
        ("logit-mean", rules.logit_mean),
        ("trimmed-mean", rules.trimmed_mean),
        ("topk", rules.topk),
        ("max", rules.maximum),
        ("quantile", rules.quantile),
        ("mean-max", rules.mean_max),
    ):
        register(name, rule, properties=_ALL, bounds=extreme_frames(rule))
    register(
        "vote",
        rules.vote,
        properties=("monotone", "order_independent"),
        bounds=extreme_frames(rules.vote),
    )
    register("confident", rules.confident, properties=("idempotent", "order_independent"))
    register("detection-weighted", rules.detection_weighted, properties=_ALL)
    register("face-size-weighted", rules.face_size_weighted, properties=_ALL)
    register("smoothed-max", rules.smoothed_max, properties=("idempotent", "monotone"))
