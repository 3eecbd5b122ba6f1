"""``dfsubmit.toml``: options that hold unless the command line or the environment says otherwise.

The file is found in the current folder or one above it, or named with ``--config``. A found file
may have come with somebody's data, so it may not set what runs code or sends a key elsewhere.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from dfsubmit.cli.help import GROUPS, metavar
from dfsubmit.errors import NotInstalled, UsageError, did_you_mean

FILE = "dfsubmit.toml"
MODEL_FOLDERS = "model_folders"
NAMED_FILE_ONLY = frozenset(
    ("plugins_dir", "plugins", "dfsubmit", "executor", "report_to", "server", "yes", "force")
)
"""Options that run code, send data or a key elsewhere, or take a question or a guard away."""


@dataclass(frozen=True)
class Settings:
    """What a file says.

    Attributes:
        path: the file; None for none.
        values: its content, "_" for "-" in all keys.
        named: given with ``--config`` or DFSUBMIT_CONFIG, not found.
    """

    path: Path | None = None
    values: dict[str, Any] | None = None
    named: bool = False


def load_settings(named: str | None, commands: Iterable[str]) -> Settings:
    """Read the named file, or the nearest one from the current folder upward.

    Args:
        named: its path; None looks for one, "" takes none.
        commands: all commands' names, which are the names of tables.

    Raises:
        UsageError: it is no TOML file, or has a key that nothing here has.
    """
    path = _found() if named is None else Path(named) if named else None
    if path is None:
        return Settings()
    values = _plain(_parsed(path))
    tables = {key for key, value in values.items() if isinstance(value, dict)}
    options = {name for names in GROUPS.values() for name in names.split()}
    options |= {"plugins_dir", "strict", MODEL_FOLDERS}
    for key in values:
        known = set(commands) if key in tables else options
        if key not in known:
            what = "a command" if key in tables else "an option"
            shown = [_key(name) for name in known]
            raise UsageError(f"{path}: {_key(key)!r} is not {what}", did_you_mean(_key(key), shown))
    settings = Settings(path.absolute(), values, named is not None)
    folders = values.get(MODEL_FOLDERS)
    if folders:
        from dfsubmit.models.search import FOLDERS_VARIABLE

        folders = [folders] if isinstance(folders, str) else folders
        places = [os.path.join(path.absolute().parent, str(folder)) for folder in folders]
        os.environ.setdefault(FOLDERS_VARIABLE, os.pathsep.join(places))
    return settings


def defaults_of(settings: Settings, name: str, command: click.Command) -> dict[str, Any]:
    """The defaults that the file gives a command's parameters, as click takes them.

    Raises:
        UsageError: the command's table has an option that the command lacks, or one that only a
            file named with ``--config`` may set.
    """
    if settings.path is None or settings.values is None:
        return {}
    known = {str(item.name): item for item in command.params}
    table = settings.values.get(name, {})
    for key in table:
        if key not in known:
            shown = [_key(item) for item in known]
            hint = did_you_mean(_key(key), shown)
            raise UsageError(f"{settings.path}: [{name}] has no option {_key(key)!r}", hint)
    general = {key: value for key, value in settings.values.items() if key in known}
    chosen = {key: value for key, value in general.items() if not isinstance(value, dict)} | table
    for key in chosen:
        if key in NAMED_FILE_ONLY and not settings.named:
            raise UsageError(
                f"{settings.path}: {_key(key)!r} may not be set by a file that was found",
                f"if you trust it: dfsubmit --config {settings.path} {name}",
            )
    folder = settings.path.parent
    return {
        key: _value(known[key], [value] if _takes_a_list(known[key], value) else value, folder)
        for key, value in chosen.items()
    }


def _takes_a_list(parameter: click.Parameter, value: Any) -> bool:
    return parameter.multiple and not isinstance(value, list)


def _value(parameter: click.Parameter, value: Any, folder: Path) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return [_value(parameter, item, folder) for item in value]
    text = str(value)
    kinds = set(metavar(parameter).split("|"))
    is_path = isinstance(parameter, click.Argument) or kinds <= {"DIR", "FILE", "WHEEL"}
    if is_path or ("/" in text and kinds & {"MODEL", "FILE", "DIR"}):
        text = os.path.normpath(folder / text)
    return text


def _found() -> Path | None:
    try:
        here = Path.cwd()
    except OSError:  # the current folder was removed
        return None
    return next((place / FILE for place in (here, *here.parents) if (place / FILE).is_file()), None)


def _parsed(path: Path) -> dict[str, Any]:
    name = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    try:
        toml = importlib.import_module(name)
    except ImportError as error:
        raise NotInstalled(f"{path} cannot be read: {error}", f"pip install {name}") from error
    try:
        content: dict[str, Any] = toml.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    return content


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key.replace("-", "_"): _plain(value) if isinstance(value, dict) else value
        for key, value in values.items()
    }


def _key(name: str) -> str:
    return name.replace("_", "-")
