"""``<stem>.meta.json``: a run's options, model, versions and outcome."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
from datetime import datetime, timezone
from typing import Any

from dfsubmit._version import __version__
from dfsubmit.hooks import FrameModel, ModelFacts, TellsArithmetic
from dfsubmit.hooks.execution import Waiting
from dfsubmit.hooks.interfaces import BoundAggregator
from dfsubmit.hooks.loading import Plugins
from dfsubmit.options import RunOptions
from dfsubmit.output.scores import META_VERSION
from dfsubmit.output.tally import Tally
from dfsubmit.records import Status
from dfsubmit.scoring.decision import Decision, read_decision

_PACKAGES = (
    "torch", "transformers", "numpy", "pillow", "dlib-bin", "dlib", "opencv-python",
    "opencv-python-headless", "openvino", "onnxruntime",
)  # fmt: skip


def describe_run(
    options: RunOptions,
    facts: ModelFacts,
    aggregator: BoundAggregator,
    decision: Decision,
    early_exit: bool,
    passed_over: list[str],
    plugins: Plugins,
    shard: dict[str, Any] | None,
) -> dict[str, Any]:
    """The metadata known before the first file is scored, as plain JSON types.

    Args:
        options: the run's options.
        facts, aggregator, decision: what is used.
        early_exit: whether remaining frames are skipped once a label is settled.
        passed_over: names in the data folder that are not regular files.
        plugins: the plugins, including those that failed to load.
        shard: `Shard.record` of the run's part of the files; None for all of them.
    """
    calibration = None if options.raw else read_decision(facts.folder)
    return {
        "version": META_VERSION,
        "dfsubmit": __version__,
        "python": platform.python_version(),
        "packages": package_versions(),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "model": {
            "name": facts.name,
            "asked_for": str(options.model),
            "sha256": facts.sha256,
            "id2label": {str(index): name for index, name in facts.id2label.items()},
            "fake_class": facts.fake_class,
            "untrained": facts.untrained,
            "loader": facts.loader,
            "loader_plugin": facts.loader_plugin,
        },
        "fallback_reason": facts.fallback_reason,
        "warnings": list(facts.warnings),
        "recipe": facts.recipe.to_dict(),
        "recipe_known": facts.recipe_known,
        "aggregator": aggregator.spec,
        "aggregator_plugin": aggregator.registered.plugin,
        "decision": dataclasses.asdict(decision),
        "threshold": options.threshold,
        "calibration": None if calibration is None else dataclasses.asdict(calibration),
        **describe_arithmetic(facts),
        "batch_size": facts.batch_size,
        "input": dict(facts.input),
        "tta": options.tta,
        "failure_label": options.failure_label,
        "no_face": options.no_face,
        "early_exit": early_exit,
        "features": options.keeps_features,
        "time_limit": options.time_limit,
        "passed_over": passed_over,
        "plugin_failures": {info.name: info.error for info in plugins.failures},
        "complete": False,
        **({} if shard is None else {"shard": shard}),
    }


def describe_arithmetic(model: FrameModel | ModelFacts) -> dict[str, Any]:
    """The model's device and arithmetic, which may change during a run."""
    return {
        "device": model.device,
        "precision": model.precision,
        "arithmetic": model.arithmetic if isinstance(model, TellsArithmetic) else "",
    }


def describe_outcome(tally: Tally, waiting: Waiting, total: float) -> dict[str, Any]:
    """The outcome of the run, as plain JSON types.

    Args:
        tally: over all rows.
        waiting: how long the model and the workers waited for each other.
        total: the duration of the run in seconds.
    """
    return {
        "complete": not tally.with_status(Status.PENDING),
        "files": tally.files,
        "statuses": tally.statuses(),
        "labels": {str(label): tally.with_label(label) for label in (0, 1)},
        "aggregator_fallbacks": tally.aggregator_fallbacks,
        "thinned": tally.thinned,
        "frames_classified": tally.frames_classified,
        "frames_skipped": tally.frames_skipped,
        "seconds": {
            "total": round(total, 3),
            "load": round(waiting.load, 3),
            **{stage: round(value, 3) for stage, value in sorted(tally.seconds.items())},
            "model_waited": round(waiting.model, 3),
            "workers_waited": round(waiting.workers, 3),
        },
    }


def package_versions() -> dict[str, str]:
    """The installed versions of the packages that results depend on."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
