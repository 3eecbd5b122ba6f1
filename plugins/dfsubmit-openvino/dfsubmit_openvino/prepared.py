"""An int8 graph that is kept with its model's folder, so that runs need no faces for it.

``MODEL/openvino/int8`` holds the graph and, in `FACTS`, what it belongs to: the hash of the model's
weights, the releases of OpenVINO and NNCF, and the graph's checksum. It is no part of the model's
own hash, for its folder is not looked into there.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from dfsubmit.hooks import UsageError
from dfsubmit_openvino.runtime import nncf_release, openvino_release
from dfsubmit_openvino.store import (
    FORMAT,
    GRAPH,
    WEIGHTS,
    Scratch,
    Stored,
    checksum,
    replace_folder,
)

FACTS = "prepared.json"
_LONGEST = 10_000


def prepared_folder(model: Path) -> Path:
    """Where the graph is kept in a model's folder."""
    return model / "openvino" / "int8"


def keep(stored: Stored, model: Path, model_hash: str) -> Path:
    """Copy a graph into its model's folder; it appears there as a whole, with its facts.

    Returns:
        the folder with it.

    Raises:
        UsageError: it cannot be written.
    """
    folder = prepared_folder(model)
    try:
        folder.parent.mkdir(exist_ok=True)
        scratch = Scratch(folder.parent, ".int8-")
        new = scratch.folder / "new"
        new.mkdir()
        for name in (GRAPH, WEIGHTS):
            shutil.copyfile(stored.folder / name, new / name)
        facts = _facts(model_hash) | {"checksum": checksum(new)}
        (new / FACTS).write_text(json.dumps(facts, indent=2) + "\n")
        replace_folder(new, folder, scratch.folder)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror or error}",
            "copy the model to where you may write",
        ) from error
    return folder


def find_prepared(model: Path, model_hash: str) -> tuple[Stored | None, str]:
    """The graph that is kept with a model, if it can be used here.

    Args:
        model: the model's folder.
        model_hash: of its contents.

    Returns:
        the graph or None, and a name of it for people, or why it is not used; both are empty where
        none is kept.
    """
    folder = prepared_folder(model)
    if not folder.exists():
        return None, ""
    facts = _read(folder / FACTS)
    for name, here in _facts(model_hash).items():
        if name == "nncf" and not here:
            continue  # a run with the graph does not need it
        there = facts.get(name)
        if facts and there != here:
            return None, f"{folder} is not used: {_difference(name, there, here)}"
    try:
        intact = facts.get("checksum") == checksum(folder)
    except OSError:
        intact = False
    if not intact:
        return None, f"{folder} is damaged, and not used"
    return Stored(folder), f"prepared graph {facts['checksum'][:8]}"


def _facts(model_hash: str) -> dict[str, Any]:
    return {
        "model": model_hash,
        "openvino": openvino_release(),
        "nncf": nncf_release(),
        "format": FORMAT,
    }


def _read(path: Path) -> dict[str, Any]:
    """The facts; {} if they are damaged."""
    try:
        if not path.is_file() or path.stat().st_size > _LONGEST:
            return {}
        facts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _difference(name: str, there: object, here: object) -> str:
    if name == "model":
        return "it was made from other weights"
    if name == "format":
        return "another version of the plugin made it"
    title = {"openvino": "OpenVINO", "nncf": "NNCF"}[name]
    return f"it was made with {title} {there}, and {here} is installed"
