"""All hook specifications, and the version of the hook interface.

A plugin is a module with functions marked `hookimpl`. It *registers named objects*; the user picks
one by name. See ``plugins/README.md`` for a ten-line example.
"""

from __future__ import annotations

import pluggy

from dfsubmit.hooks.execution import RegisterExecutor
from dfsubmit.hooks.interfaces import (
    RegisterAggregator,
    RegisterDetector,
    RegisterModelLoader,
)

HOOKS_VERSION = 1
"""Incremented when a hook, or a type that a plugin implements or receives, changes incompatibly.
Additions do not increment it."""

hookspec = pluggy.HookspecMarker("dfsubmit")
hookimpl = pluggy.HookimplMarker("dfsubmit")


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
