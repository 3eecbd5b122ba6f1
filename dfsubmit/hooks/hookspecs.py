"""All hook specifications, and the version of the hook interface.

A plugin is a module with functions marked `hookimpl`. It *registers named objects*; the user picks
one by name. See ``plugins/README.md`` for a ten-line example.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import pluggy

from dfsubmit.hooks.execution import RegisterExecutor
from dfsubmit.hooks.interfaces import Aggregator, Bounds, MakeDetector, ModelLoader

HOOKS_VERSION = 1
"""Incremented when a hook, or a type that a plugin implements or receives, changes incompatibly.
Additions do not increment it."""

hookspec = pluggy.HookspecMarker("dfsubmit")
hookimpl = pluggy.HookimplMarker("dfsubmit")


class RegisterDetector(Protocol):
    """Given to `register_detectors`."""

    def __call__(self, name: str, make: MakeDetector, *, landmarks: bool = False) -> None: ...


class RegisterAggregator(Protocol):
    """Given to `register_aggregators`."""

    def __call__(
        self,
        name: str,
        aggregator: Aggregator,
        *,
        properties: Collection[str] = (),
        bounds: Bounds | None = None,
    ) -> None: ...


class RegisterModelLoader(Protocol):
    """Given to `register_model_loaders`."""

    def __call__(self, name: str, loader: ModelLoader) -> None: ...


@hookspec
def register_aggregators(register: RegisterAggregator) -> None:
    """Call ``register(name, function)`` for every frame aggregator that the plugin offers."""


@hookspec
def register_detectors(register: RegisterDetector) -> None:
    """Call ``register(name, make)`` for every face detector that the plugin offers."""


@hookspec
def register_executors(register: RegisterExecutor) -> None:
    """Call ``register(name, make)`` for every executor that the plugin offers."""


@hookspec
def register_model_loaders(register: RegisterModelLoader) -> None:
    """Call ``register(name, loader)`` for every model loader that the plugin offers."""
