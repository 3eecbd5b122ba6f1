"""Specs such as ``topk:k=5``: a registered name with its parameters set."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from dfsubmit.errors import UsageError, did_you_mean
from dfsubmit.hooks.interfaces import BoundAggregator, RegisteredAggregator


def parse_spec(spec: str) -> tuple[str, dict[str, str]]:
    """Split ``name:key=value,key=value`` into its name and raw parameters.

    Raises:
        UsageError: the text has another form, or a key stands in it twice.
    """
    name, colon, rest = spec.strip().partition(":")
    parameters: dict[str, str] = {}
    if not name or (colon and not rest.strip()):
        raise UsageError(f"aggregator {spec!r}: expected NAME or NAME:key=value,…")
    for pair in rest.split(",") if colon else ():
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not key or not value:
            raise UsageError(f"aggregator {spec!r}: {pair!r} is not key=value")
        if key in parameters:
            raise UsageError(f"aggregator {spec!r}: {key!r} is given twice")
        parameters[key] = value
    return name.strip(), parameters


def bind_aggregator(spec: str, aggregators: Mapping[str, RegisteredAggregator]) -> BoundAggregator:
    """The aggregator that a spec asks for, its parameters converted and set.

    Raises:
        UsageError: an unknown name or parameter, or a value of the wrong type.
    """
    name, raw = parse_spec(spec)
    if name not in aggregators:
        raise UsageError(f"there is no aggregator {name!r}", did_you_mean(name, aggregators))
    registered = aggregators[name]
    known = aggregator_parameters(registered)
    values: dict[str, Any] = {}
    for key, text in raw.items():
        if key not in known:
            raise UsageError(
                f"aggregator {name!r} has no parameter {key!r}", did_you_mean(key, known)
            )
        values[key] = _convert(name, key, text, known[key])
    canonical = (
        name
        + (":" if values else "")
        + ",".join(f"{key}={value}" for key, value in sorted(values.items()))
    )
    return BoundAggregator(canonical, registered, values)


def aggregator_parameters(registered: RegisteredAggregator) -> dict[str, Any]:
    """The names and default values of an aggregator's parameters."""
    parameters = list(inspect.signature(registered.function).parameters.values())[1:]
    return {
        item.name: item.default
        for item in parameters
        if item.default is not inspect.Parameter.empty
    }


def _convert(name: str, key: str, text: str, default: Any) -> Any:
    """The text as the type of the parameter's default."""
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
        raise UsageError(f"aggregator {name!r}: {key}={text!r} is not of type {kind}") from None
    return text
