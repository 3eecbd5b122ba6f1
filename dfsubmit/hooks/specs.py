"""Specs such as ``topk:k=5``: a registered name with its parameters set."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from dfsubmit.errors import UsageError, did_you_mean
from dfsubmit.hooks.execution import Executor, RegisteredExecutor
from dfsubmit.hooks.interfaces import BoundAggregator, RegisteredAggregator, RegisteredDetector

BUNDLED_AGGREGATORS = dict.fromkeys(
    "median logit-mean trimmed-mean topk max quantile mean-max vote confident detection-weighted "
    "face-size-weighted smoothed-max".split(),
    "dfsubmit-aggregators",
)
BUNDLED_DETECTORS = {
    "dlib-cnn": "dfsubmit-dlib-cnn",
    "dlib-hog-68": "dfsubmit-dlib-cnn",
}
"""Names of this repository's plugins, for the error where they are not installed."""


BUNDLED_EXECUTORS = {"ray": "dfsubmit-ray"}
"""The same for executors."""


def parse_spec(spec: str, kind: str = "aggregator") -> tuple[str, dict[str, str]]:
    """Split ``name:key=value,key=value`` into its name and raw parameters.

    Raises:
        UsageError: the text has another form, or a key occurs twice.
    """
    name, colon, rest = spec.strip().partition(":")
    parameters: dict[str, str] = {}
    if not name or (colon and not rest.strip()):
        raise UsageError(f"{kind} {spec!r}: expected NAME or NAME:key=value,…")
    for pair in rest.split(",") if colon else ():
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not key or not value:
            raise UsageError(f"{kind} {spec!r}: {pair!r} is not key=value")
        if key in parameters:
            raise UsageError(f"{kind} {spec!r}: {key!r} is given twice")
        parameters[key] = value
    return name.strip(), parameters


def _where_from(name: str, bundled: Mapping[str, str], near: str, failed: str) -> str:
    """The hint for a name that is not registered: the plugin that provides it, or similar names."""
    plugin = bundled.get(name)
    hint = f"it comes with the plugin {plugin}: pip install ./plugins/{plugin}" if plugin else near
    return f"{hint}; these plugins did not load: {failed}" if failed else hint


def bind_aggregator(
    spec: str, aggregators: Mapping[str, RegisteredAggregator], failed: str = ""
) -> BoundAggregator:
    """The aggregator that a spec asks for, with its parameters converted and set.

    Args:
        spec: ``name:key=value,…``.
        aggregators: all that are registered.
        failed: text about plugins that did not load, for the error message.

    Raises:
        UsageError: an unknown name or parameter, or a value of the wrong type.
    """
    name, raw = parse_spec(spec)
    if name not in aggregators:
        raise UsageError(
            f"there is no aggregator {name!r}",
            _where_from(name, BUNDLED_AGGREGATORS, did_you_mean(name, aggregators), failed),
        )
    registered = aggregators[name]
    values = _values(f"aggregator {name!r}", raw, aggregator_parameters(registered))
    canonical = (
        name
        + (":" if values else "")
        + ",".join(f"{key}={value}" for key, value in sorted(values.items()))
    )
    return BoundAggregator(canonical, registered, values)


def aggregator_parameters(registered: RegisteredAggregator) -> dict[str, Any]:
    """The names and default values of an aggregator's parameters."""
    return _defaults(list(inspect.signature(registered.function).parameters.values())[1:])


def bind_detector(
    spec: str, detectors: Mapping[str, RegisteredDetector], failed: str = ""
) -> tuple[RegisteredDetector, dict[str, Any]]:
    """The detector that a recipe's spec asks for, and the parameters for its `make`.

    Args:
        spec: ``name:key=value,…``.
        detectors: all that are registered.
        failed: text about plugins that did not load, for the error message.

    Raises:
        UsageError: an unknown name or parameter, or a value of the wrong type.
    """
    name, raw = parse_spec(spec, "detector")
    if name not in detectors:
        near = f"the plugin that brings it is not installed; {did_you_mean(name, detectors)}"
        raise UsageError(
            f"recipe: there is no detector {name!r}",
            _where_from(name, BUNDLED_DETECTORS, near, failed),
        )
    registered = detectors[name]
    return registered, _values(f"detector {name!r}", raw, detector_parameters(registered))


def detector_parameters(registered: RegisteredDetector) -> dict[str, Any]:
    """The names and default values of a detector's parameters."""
    return _defaults(inspect.signature(registered.make).parameters.values())


def bind_executor(spec: str, executors: Mapping[str, RegisteredExecutor]) -> Executor:
    """The executor that a spec asks for, created with its parameters.

    Raises:
        UsageError: an unknown name or parameter, or a value of the wrong type.
        DfsubmitError: it cannot be created here.
    """
    name, raw = parse_spec(spec, "executor")
    if name not in executors:
        plugin = BUNDLED_EXECUTORS.get(name)
        hint = (
            f"it comes with the plugin {plugin}: pip install ./plugins/{plugin}"
            if plugin
            else did_you_mean(name, executors)
        )
        raise UsageError(f"there is no executor {name!r}", hint)
    registered = executors[name]
    return registered.make(**_values(f"executor {name!r}", raw, executor_parameters(registered)))


def executor_parameters(registered: RegisteredExecutor) -> dict[str, Any]:
    """The names and default values of an executor's parameters."""
    return _defaults(inspect.signature(registered.make).parameters.values())


def _defaults(parameters: Iterable[inspect.Parameter]) -> dict[str, Any]:
    return {
        item.name: item.default
        for item in parameters
        if item.default is not inspect.Parameter.empty
    }


def _values(owner: str, raw: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, Any]:
    """The raw parameters, converted."""
    for key in raw:
        if key not in known:
            raise UsageError(f"{owner} has no parameter {key!r}", did_you_mean(key, known))
    return {key: _convert(owner, key, text, known[key]) for key, text in raw.items()}


def _convert(owner: str, key: str, text: str, default: Any) -> Any:
    """The text converted to the type of the parameter's default."""
    try:
        if isinstance(default, bool):
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            value = float(text)
            if value != value or abs(value) == float("inf"):
                raise ValueError(text)
            return value
    except (KeyError, ValueError):
        kind = type(default).__name__
        raise UsageError(f"{owner}: {key}={text!r} is not of type {kind}") from None
    return text
