"""A model folder (or a zip of one) → its classes, recipe and hash, before the model is loaded.

In: a path. Out: a `ModelFolder`. This module does not import torch. Nothing in a model folder is
executed: it is never added to sys.path, and a folder that requires custom code is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.console import first_few
from dfsubmit.errors import ModelError
from dfsubmit.models.archive import unpack
from dfsubmit.models.search import find_model
from dfsubmit.recipe import RECIPE_FILE, Recipe, load_recipe

MAX_CLASSES = 100_000
MAX_LAYERS = 1000
MAX_JSON_BYTES = 16 * 2**20
WEIGHT_SUFFIXES = (".safetensors", ".bin", ".onnx", ".onnx_data")
UNTRAINED_KEY = "dfsubmit_untrained"
_CHUNK = 2**20


@dataclass(frozen=True)
class ModelFolder:
    """A model folder, examined but not loaded.

    Attributes:
        path: the folder with config.json.
        source: the path that the user gave (a folder or a zip).
        id2label: class names by index.
        recipe: the folder's own recipe, or the default one.
        recipe_known: whether the folder has a recipe; without one, it is not known how faces were
            cut in fine-tuning.
        sha256: over configuration and weights.
        untrained: whether the folder says that its weights are random.
    """

    path: Path
    source: Path
    id2label: dict[int, str]
    recipe: Recipe
    recipe_known: bool
    sha256: str
    untrained: bool = False

    @property
    def name(self) -> str:
        """The model's name."""
        return self.source.stem if self.source.suffix == ".zip" else self.path.name


def open_model(path: str | os.PathLike[str]) -> ModelFolder:
    """Examine a model folder, a zip of one, or a folder that holds exactly one model folder.

    Args:
        path: a path, or a name for `find_model`.

    Raises:
        ModelError: there is no model, it is damaged, or loading it is refused; with the reason.
        UsageError: its recipe is not valid.
    """
    source = find_model(path)
    if source.is_file() and zipfile.is_zipfile(source):
        folder = _find(unpack(source), source)
    elif source.is_dir():
        folder = _find(source, source)
    else:
        raise ModelError(f"{path} is neither a model folder nor a zip of one")
    _check_files(folder)
    config = _read_config(folder)
    recipe_known = (folder / RECIPE_FILE).is_file()
    return ModelFolder(
        path=folder,
        source=source,
        id2label=_id2label(folder, config),
        recipe=load_recipe(folder) if recipe_known else Recipe(),
        recipe_known=recipe_known,
        sha256=hash_model(folder),
        untrained=bool(config.get(UNTRAINED_KEY, False)),
    )


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a model folder, by name (in it, or in its ``onnx/`` folder)."""
    candidates = [*folder.iterdir(), *(folder / "onnx").glob("*")]
    return sorted(path for path in candidates if path.suffix in WEIGHT_SUFFIXES)


def hash_model(folder: Path) -> str:
    """SHA-256 over names and contents of config.json, preprocessor_config.json and the weights.

    Cards, logs and recipes are left out: they do not change what the network computes.
    """
    digest = hashlib.sha256()
    configs = [folder / "config.json", folder / "preprocessor_config.json"]
    for path in (*configs, *weight_files(folder)):
        if not path.is_file():
            continue
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def _find(folder: Path, source: Path) -> Path:
    """The folder with config.json: this one, or the only one directly inside it."""
    if (folder / "config.json").is_file():
        return folder
    inside = [child for child in sorted(folder.iterdir()) if (child / "config.json").is_file()]
    if len(inside) == 1:
        return inside[0]
    if inside:
        names = ", ".join(child.name for child in inside)
        raise ModelError(f"{source} holds more than one model: {names}", "name one of them")
    raise ModelError(
        f"{source} holds no config.json, so it is no Hugging Face model folder",
        "a model folder holds config.json, model.safetensors and preprocessor_config.json",
    )


def _check_files(folder: Path) -> None:
    """Refuse files on which opening would hang, or parsing would exhaust memory.

    Raises:
        ModelError: a pipe, socket or device in the folder, or a JSON file of `MAX_JSON_BYTES`.
    """
    for path in (*folder.iterdir(), *(folder / "onnx").glob("*")):
        try:
            info = path.stat()
        except OSError:
            continue  # a broken link; reported when the file is needed
        if not (stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)):
            raise ModelError(f"{path} is no regular file")
        # The tokenizers of some image models are large, and nothing here reads them.
        if path.suffix != ".json" or path.name.startswith(("tokenizer", "vocab")):
            continue
        if info.st_size > MAX_JSON_BYTES:
            raise ModelError(f"{path} is larger than {MAX_JSON_BYTES // 2**20} MiB")


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path}: not a JSON object")
    for name in ("config.json", "preprocessor_config.json"):
        try:
            data = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue  # the preprocessor's own reader reports it
        for key, value in _settings(data):
            if _asks_for_code(key, value):
                raise ModelError(
                    f"{folder / name} wants to run code of its own ({key}); dfsubmit never does",
                    "use a model whose architecture is part of transformers",
                )
            if _most_layers(key, value) > MAX_LAYERS:
                raise ModelError(f"{folder / name}: {key} is over {MAX_LAYERS}")
    return config


def _settings(data: Any) -> Iterator[tuple[str, Any]]:
    """Every key of a configuration with its value, at any depth."""
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            yield from item.items()
            waiting.extend(item.values())


def _asks_for_code(key: str, value: Any) -> bool:
    """Whether a setting names code to fetch and run.

    ``auto_map`` names Python files; an ``attn_implementation`` (or another one's) with a slash
    names a repository of compiled kernels, which transformers fetches where it can.
    """
    return key == "auto_map" or (key.endswith("_implementation") and "/" in str(value))


def _most_layers(key: str, value: Any) -> int:
    """The largest number of layers in settings such as ``num_hidden_layers`` or ``depths``.

    transformers builds all of them, which can take minutes and gigabytes, before it reads weights.
    """
    if not any(word in key for word in ("layers", "depth", "blocks")):
        return 0
    counts = value if isinstance(value, list) else [value]
    return max((count for count in counts if isinstance(count, int)), default=0)


def _id2label(folder: Path, config: dict[str, Any]) -> dict[int, str]:
    labels = config.get("id2label")
    try:
        if labels is None and "label_names" in config:  # as in timm's configurations
            labels = dict(enumerate(config["label_names"]))
        if labels is None:  # transformers' own default when a config names no classes
            count = int(config.get("num_labels", 2))
            if count > MAX_CLASSES:
                raise ValueError(f"num_labels {count} is over {MAX_CLASSES}")
            return {index: f"LABEL_{index}" for index in range(count)}
        named = {int(index): str(name) for index, name in labels.items()}
        if sorted(named) != list(range(len(labels))):
            raise ValueError(f"the classes are numbered {first_few(labels)}, not from 0 up")
        return named
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{folder / 'config.json'}: id2label: {error}") from error
