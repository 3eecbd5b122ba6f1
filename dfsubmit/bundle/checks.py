"""Checks of a bundle's files against all rules of both contracts.

In: a bundle's folder, its target and the size limit. Out: a list of violations, empty if there are
none. `packaging` refuses a bundle with violations; `rehearsal` and `client` check again, since a
bundle may be edited by hand.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from dfsubmit.bundle.keys import find_keys
from dfsubmit.bundle.manifest import NOTEBOOKS
from dfsubmit.bundle.package.notebooks import code_cells, read_notebook
from dfsubmit.bundle.upload import DROPPED_FOLDERS, dropped_by_task
from dfsubmit.errors import UsageError
from dfsubmit.files import relative_files

WEIGHTS = (
    ".safetensors",
    ".onnx",
    ".onnx_data",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".h5",
    ".pkl",
    ".msgpack",
)
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib")
_MODEL_FOLDERS = {"task": "model", "predict": "assets/model"}

# Outside URLs and identifiers: "/a/b…", "C:\…", "~/…".
_ABSOLUTE = re.compile(
    r"(?<![\w.:/~*<\]\)}-])(?:/(?:[\w.-]+/)+[\w.-]*|/[a-z]+(?=[\"'])|~/[\w.-])|\b[A-Za-z]:\\+\w"
)


def problems(folder: Path, target: str, max_size: int) -> list[str]:
    """The reasons against a bundle, one line each.

    Args:
        folder: the bundle.
        target: "task" or "predict".
        max_size: bytes that all its files together may have.
    """
    paths = relative_files(folder)
    return [
        *_links(folder, paths),
        *_size(folder, paths, max_size),
        *(_dropped(paths) if target == "task" else []),
        *_models(paths, target),
        *_models_in_wheels(folder, paths),
        *_absolute_paths(folder, paths, target),
        *find_keys(folder, paths),
    ]


def _links(folder: Path, paths: list[str]) -> list[str]:
    return [f"{path} is a link" for path in paths if (folder / path).is_symlink()]


def _size(folder: Path, paths: list[str], max_size: int) -> list[str]:
    total = sum((folder / path).lstat().st_size for path in paths)
    if total <= max_size:
        return []
    return [f"its {len(paths)} files have {total:,} bytes, --max-size is {max_size:,}"]


def _dropped(paths: list[str]) -> list[str]:
    words = ", ".join(DROPPED_FOLDERS)
    return [
        f"{path} would be dropped by the client, without a word: no folder may have {words} in its"
        " name, and no file aif.zip"
        for path in paths
        if dropped_by_task(path)
    ]


def _models(paths: list[str], target: str) -> list[str]:
    """Exactly one set of weights, in one folder, and none that is only a pickle."""
    weights = [path for path in paths if path.endswith(WEIGHTS)]
    if not weights:
        return ["it holds no model weights"]
    reasons = []
    home = _MODEL_FOLDERS[target]
    outside = [path for path in weights if not path.startswith(home + "/")]
    if outside:
        reasons.append(f"weights outside {home}/: {', '.join(outside)}")
    folders = {_weights_home(path) for path in weights}
    if len(folders) > 1:
        reasons.append(f"more than one model: {', '.join(sorted(folders))}")
    kinds = {_set_of(path) for path in weights}
    if len(folders) == 1 and len(kinds) > 1:
        reasons.append(f"more than one set of weights: {', '.join(weights)}")
    if all(path.endswith(_PICKLES) for path in weights):
        reasons.append(
            f"weights that only load by unpickling: {', '.join(weights)}; save safetensors"
        )
    return reasons


def _set_of(path: str) -> str:
    """Shards of one format are one set; ``x.onnx_data`` is a part of ``x.onnx``."""
    return "safetensors" if path.endswith(".safetensors") else path.removesuffix("_data")


def _weights_home(path: str) -> str:
    """The model folder of a weights file: ``onnx/model.onnx`` belongs to the folder above."""
    parent = PurePosixPath(path).parent
    return str(parent.parent if parent.name == "onnx" else parent)


def _models_in_wheels(folder: Path, paths: list[str]) -> list[str]:
    """Weights that a plugin brings. What its code loads is not looked at: no check can know it."""
    reasons = []
    for path in paths:
        if not path.endswith(".whl"):
            continue
        if not zipfile.is_zipfile(folder / path):
            reasons.append(f"{path} is not a wheel")
            continue
        with zipfile.ZipFile(folder / path) as archive:
            weights = [name for name in archive.namelist() if name.endswith(WEIGHTS)]
        reasons += [f"{path} brings weights of its own: {name}" for name in weights]
    return reasons


def _absolute_paths(folder: Path, paths: list[str], target: str) -> list[str]:
    """In what is executed or read on the server: notebook, JSON values, requirements, scripts."""
    reasons = []
    for path in paths:
        try:
            texts = list(_texts(folder / path, path == NOTEBOOKS[target]))
        except UsageError as error:
            reasons.append(error.message)
            continue
        except (OSError, ValueError) as error:
            reasons.append(f"{path} cannot be read: {error}")
            continue
        matches = [match.group() for text in texts for match in _ABSOLUTE.finditer(text)]
        if matches:
            reasons.append(f"{path} has an absolute path: {matches[0]}")
    return reasons


def _texts(path: Path, is_notebook: bool) -> Iterator[str]:
    if is_notebook:
        yield from code_cells(read_notebook(path))
    elif path.suffix == ".json":
        yield from _strings(json.loads(path.read_text(encoding="utf-8")))
    elif path.suffix in (".py", ".txt"):
        yield path.read_text(encoding="utf-8")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value
