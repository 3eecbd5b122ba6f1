"""Every hook, on one screen.

A plugin is a module with functions marked `hookimpl`. It *registers named objects*; the user picks
one by name. See ``plugins/README.md`` for a ten-line example.
"""

from __future__ import annotations

import pluggy

from dfsubmit.hooks.interfaces import RegisterAggregator, RegisterModelLoader

hookspec = pluggy.HookspecMarker("dfsubmit")
hookimpl = pluggy.HookimplMarker("dfsubmit")


@hookspec
def register_aggregators(register: RegisterAggregator) -> None:
    """Call ``register(name, function)`` for every frame aggregator that the plugin offers."""


@hookspec
def register_model_loaders(register: RegisterModelLoader) -> None:
    """Call ``register(name, loader)`` for every way to load a model that the plugin offers."""
