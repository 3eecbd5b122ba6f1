"""Finding and loading plugins: built-ins, installed distributions and single files.

`load_plugins` returns a `Plugins`: everything registered by name, and the plugins that failed. A
plugin that fails is listed with the reason, and the others are loaded. `make_detector` is for
worker processes, which load only the plugin that they need.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from dfsubmit._version import __version__
from dfsubmit.errors import PluginError, UsageError, in_brief
from dfsubmit.faces.settings import DetectorPlugin
from dfsubmit.hooks import hookspecs
from dfsubmit.hooks.execution import Executor, MakeExecutor, RegisteredExecutor
from dfsubmit.hooks.interfaces import (
    PROPERTIES,
    Aggregator,
    BoundAggregator,
    Bounds,
    MakeDetector,
    ModelLoader,
    RegisteredAggregator,
    RegisteredDetector,
)
from dfsubmit.hooks.specs import bind_aggregator, bind_detector, bind_executor
from dfsubmit.recipe import BUILT_IN_DETECTOR, Recipe
from dfsubmit.records import Detector

BUILT_IN_PLUGINS = (
    "dfsubmit.scoring.aggregate",
    "dfsubmit.workers.detectors",
    "dfsubmit.models.huggingface",
    "dfsubmit.execution.local",
)
ENTRY_POINT_GROUP = "dfsubmit"
VERSION_NAME = "DFSUBMIT_HOOKS"
"""The attribute in which a plugin states the `hookspecs.HOOKS_VERSION` that it was written for."""
FIRST_VERSION = 1
"""The version of plugins without that attribute, which did not exist in the first version."""
_NO_HOOKS = ": is @hookimpl missing above its register_… functions?"


@dataclass(frozen=True)
class PluginInfo:
    """One plugin, for `dfsubmit plugins`.

    Attributes:
        name: the module, distribution or file.
        source: "built-in", "installed" or "file".
        version: of the distribution; empty for files.
        error: why it did not load; empty if it loaded.
    """

    name: str
    source: str
    version: str = ""
    error: str = ""


@dataclass
class Plugins:
    """What all loaded plugins registered."""

    infos: list[PluginInfo] = field(default_factory=list)
    aggregators: dict[str, RegisteredAggregator] = field(default_factory=dict)
    detectors: dict[str, RegisteredDetector] = field(default_factory=dict)
    executors: dict[str, RegisteredExecutor] = field(default_factory=dict)
    loaders: dict[str, ModelLoader] = field(default_factory=dict)
    loader_plugins: dict[str, str] = field(default_factory=dict)

    @property
    def failures(self) -> list[PluginInfo]:
        """The plugins that did not load."""
        return [info for info in self.infos if info.error]

    def aggregator(self, spec: str) -> BoundAggregator:
        """The aggregator for a spec such as ``topk:k=5``.

        Raises:
            UsageError: an unknown name or parameter, with a did-you-mean.
        """
        return bind_aggregator(spec, self.aggregators, self._failed())

    def executor(self, spec: str) -> Executor:
        """The executor for a spec such as ``ray:machines=3``.

        Raises:
            UsageError: an unknown name or parameter, with a did-you-mean.
            DfsubmitError: it cannot be created here.
        """
        return bind_executor(spec, self.executors)

    def detector_plugin(self, recipe: Recipe) -> DetectorPlugin | None:
        """Where workers find a recipe's detector; None if it is built in.

        Raises:
            UsageError: an unknown name or parameter, or the recipe aligns faces by landmarks that
                this detector does not give.
        """
        built_in = recipe.detector in ("none", BUILT_IN_DETECTOR)
        if built_in and (recipe.align == "none" or recipe.detector == "none"):
            return None
        registered, _ = bind_detector(recipe.detector, self.detectors, self._failed())
        if recipe.align != "none" and not registered.landmarks:
            able = sorted(name for name, item in self.detectors.items() if item.landmarks)
            raise UsageError(
                f"recipe: align {recipe.align!r} needs landmarks, which the detector "
                f"{registered.name!r} does not give",
                f"detectors that do: {', '.join(able) or 'none is installed'}",
            )
        plugin = registered.plugin
        if registered.source == "file":
            plugin = os.path.abspath(plugin)
        return DetectorPlugin(registered.source, plugin)

    def _failed(self) -> str:
        """The plugins that did not load, with their reasons; empty if all loaded."""
        return "; ".join(f"{info.name}: {info.error}" for info in self.failures)

    def add(self, plugin: Any, info: PluginInfo) -> None:
        """Add everything that one plugin (a module or an object with hooks) registers, or nothing.

        Raises:
            PluginError: it was written for another version of the hooks, or registers nothing.
            Exception: a misspelt hook, a name that is taken, or any exception of the plugin.
        """
        _check_version(plugin)
        # Each plugin has its own manager: this tells its objects from those of other plugins, and a
        # plugin that fails leaves nothing partly registered.
        manager = pluggy.PluginManager("dfsubmit")
        manager.add_hookspecs(hookspecs)
        manager.register(plugin, info.name)
        # A misspelt hook is an error, not a plugin that silently does nothing.
        manager.check_pending()
        aggregators: dict[str, RegisteredAggregator] = {}
        detectors: dict[str, RegisteredDetector] = {}
        executors: dict[str, RegisteredExecutor] = {}
        loaders: dict[str, ModelLoader] = {}

        def register_aggregator(
            name: str,
            aggregator: Aggregator,
            *,
            properties: Collection[str] = (),
            bounds: Bounds | None = None,
        ) -> None:
            _check_name(name, {**self.aggregators, **aggregators})
            unknown = set(properties) - set(PROPERTIES)
            if unknown:
                raise ValueError(f"aggregator {name!r}: unknown properties {sorted(unknown)}")
            aggregators[name] = RegisteredAggregator(
                name, aggregator, info.name, frozenset(properties), bounds
            )

        def register_detector(name: str, make: MakeDetector, *, landmarks: bool = False) -> None:
            _check_name(name, {"none", *self.detectors, *detectors})
            detectors[name] = RegisteredDetector(name, make, landmarks, info.source, info.name)

        def register_executor(name: str, make: MakeExecutor) -> None:
            _check_name(name, {**self.executors, **executors})
            executors[name] = RegisteredExecutor(name, make, info.name)

        def register_loader(name: str, loader: ModelLoader) -> None:
            _check_name(name, {**self.loaders, **loaders})
            loaders[name] = loader

        manager.hook.register_aggregators(register=register_aggregator)
        manager.hook.register_detectors(register=register_detector)
        manager.hook.register_executors(register=register_executor)
        manager.hook.register_model_loaders(register=register_loader)
        if not (aggregators or detectors or executors or loaders):
            has_hooks = bool(manager.get_hookcallers(plugin))
            raise PluginError(f"it registers nothing{'' if has_hooks else _NO_HOOKS}")
        self.aggregators.update(aggregators)
        self.detectors.update(detectors)
        self.executors.update(executors)
        self.loaders.update(loaders)
        self.loader_plugins.update(dict.fromkeys(loaders, info.name))
        self.infos.append(info)


def load_plugins(directories: Iterable[str | Path] = (), strict: bool = False) -> Plugins:
    """Load every plugin: built-ins first, then installed ones, then the files of `directories`.

    Args:
        directories: folders whose ``*.py`` files are plugins. THIS RUNS THEIR CODE.
        strict: raise on the first plugin that does not load.

    Raises:
        PluginError: under `strict`, naming the plugin and its reason.
        UsageError: a directory does not exist.
    """
    plugins = Plugins()
    for module_name in BUILT_IN_PLUGINS:
        plugins.add(importlib.import_module(module_name), PluginInfo(module_name, "built-in"))
    for entry in _entry_points():
        _try(plugins, _info(entry), entry.load, strict)
    for directory in directories:
        folder = Path(directory)
        if not folder.is_dir():
            raise UsageError(f"--plugins-dir {folder}: there is no such folder")
        for path in sorted(folder.glob("*.py")):
            info = PluginInfo(str(path), "file")
            _try(plugins, info, partial(_load_file, path), strict)
    return plugins


def make_detector(recipe: Recipe, found: DetectorPlugin) -> Detector:
    """Create a recipe's detector in a worker process, loading only the plugin that provides it.

    Raises:
        PluginError: the plugin does not load here.
        UsageError: it does not register this detector.
        Exception: any exception of the plugin when it creates the detector.
    """
    plugins = Plugins()
    if found.source == "file":
        _try(plugins, PluginInfo(found.plugin, "file"), partial(_load_file, found.plugin), True)
    for entry in _entry_points() if found.source == "installed" else ():
        if _info(entry).name == found.plugin:
            _try(plugins, _info(entry), entry.load, True)
    registered, parameters = bind_detector(recipe.detector, plugins.detectors)
    return registered.make(**parameters)


def _entry_points() -> list[importlib.metadata.EntryPoint]:
    points = importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)
    return sorted(points, key=lambda point: point.name)


def _info(entry: importlib.metadata.EntryPoint) -> PluginInfo:
    version = entry.dist.version if entry.dist else ""
    return PluginInfo(entry.dist.name if entry.dist else entry.name, "installed", version)


def _load_file(file: str | Path) -> ModuleType:
    """Import one file without putting its folder on sys.path."""
    path = Path(file)
    # Files with the same name in two folders are two modules, so the module name has the folder.
    folder = hashlib.sha256(os.fsencode(path.parent.resolve())).hexdigest()[:12]
    name = f"dfsubmit_plugin_{path.stem}_{folder}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _try(plugins: Plugins, info: PluginInfo, load: Any, strict: bool) -> None:
    try:
        plugins.add(load(), info)
    # SystemExit too: a plugin that calls sys.exit() at import must not end the user's run.
    except (Exception, SystemExit) as error:
        # A plugin file is named by its path; for an installed plugin, the failing line is named.
        reason = str(error) if isinstance(error, PluginError) else in_brief(error, info.name)
        if strict:
            raise PluginError(f"the plugin {info.name} does not load: {reason}") from error
        plugins.infos.append(PluginInfo(info.name, info.source, info.version, reason))


def _check_version(plugin: Any) -> None:
    """Refuse a plugin that states another version of the hooks."""
    version = getattr(plugin, VERSION_NAME, FIRST_VERSION)
    if version == hookspecs.HOOKS_VERSION:
        return
    declares = f"{VERSION_NAME} = {version!r}" if hasattr(plugin, VERSION_NAME) else "it names none"
    newer = isinstance(version, int) and version > hookspecs.HOOKS_VERSION
    raise PluginError(
        f"it was written for version {version} of the hooks ({declares}), and dfsubmit "
        f"{__version__} has version {hookspecs.HOOKS_VERSION}: "
        + ("take a newer dfsubmit" if newer else "take a newer release of the plugin, or adapt it")
    )


def _check_name(name: str, taken: Collection[str]) -> None:
    if not name or any(mark in name for mark in ":,= \t\n"):
        raise ValueError(f"{name!r} is not a usable name")
    if name in taken:
        raise ValueError(f"the name {name!r} is taken by another plugin")
