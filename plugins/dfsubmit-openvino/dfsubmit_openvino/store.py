"""Graphs on disk: in the cache, or in a temporary folder where no cache can be written.

The names in the cache contain everything that a graph depends on, so that no entry is outdated.
Each graph has a checksum beside it, so that damage is detected. An entry appears as a whole, by
renaming: processes that make the same one at the same time do not disturb each other.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from dfsubmit.hooks import DfsubmitError
from dfsubmit_openvino.runtime import load_openvino, openvino_core, openvino_release

FORMAT = 3
"""Raised when a graph is made differently than before."""

GRAPH, WEIGHTS, CHECKSUM = "model.xml", "model.bin", "sha256"

Make = Callable[[Path], None]
"""Makes a graph's files with `save_graph` in a folder that does not exist yet."""


class NoRoom(Exception):
    """A graph cannot be written where it should be."""


class Scratch:
    """A new folder that is removed when nobody holds this object any more.

    Args:
        parent: of the folder; None for where temporary files belong.
        prefix: of its name.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, parent: Path | None, prefix: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        self.remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Stored:
    """A graph on disk.

    Attributes:
        folder: with its files.
        keeper: removes the folder when nobody holds it any more; None for one that stays.
    """

    folder: Path
    keeper: Scratch | None = None

    def read(self) -> Any:
        """The `openvino.Model`; its weights are mapped from the file, not copied."""
        return openvino_core().read_model(self.folder / GRAPH)


def cache_folder() -> Path:
    """The folder of converted graphs."""
    return Path(platformdirs.user_cache_dir("dfsubmit")) / "openvino"


def find(model_hash: str, variant: str) -> Stored | None:
    """The graph that the cache holds under a name, or None; a damaged one counts as none.

    Args:
        model_hash: of the model's folder; "" goes without the cache.
        variant: names all that it depends on besides the model, OpenVINO and this plugin.
    """
    entry = _entry(model_hash, variant)
    return Stored(entry) if model_hash and is_intact(entry) else None


def find_or_make(model_hash: str, variant: str, make: Make) -> Stored:
    """The graph of the cache, or one that is made now and put there.

    Raises:
        DfsubmitError: `make` failed, or it can be written neither there nor in a temporary folder.
    """
    found = find(model_hash, variant)
    if found is not None:
        return found
    if model_hash:
        with contextlib.suppress(NoRoom):
            return _make_entry(_entry(model_hash, variant), make)
    try:
        return _make_in(None, make)
    except NoRoom as error:
        raise DfsubmitError(
            f"OpenVINO's graph can be written neither into {cache_folder()} nor into a "
            f"temporary folder: {error}",
            "make room there, or name another folder in TMPDIR",
        ) from error


def save_graph(graph: Any, folder: Path) -> None:
    """Write a graph and its checksum into a new folder, and check that all of it is there.

    Raises:
        NoRoom: it cannot be written.
    """
    try:
        folder.mkdir()
        # Weights stay fp32: halved ones would move probabilities.
        load_openvino().save_model(graph, folder / GRAPH, compress_to_fp16=False)
        openvino_core().read_model(folder / GRAPH)  # what a full disk cut short is not readable
        (folder / CHECKSUM).write_text(checksum(folder))
    except (OSError, RuntimeError) as error:
        raise NoRoom(str(error).strip().split("\n")[0]) from error


def is_intact(folder: Path) -> bool:
    """Whether a folder holds a graph that agrees with its checksum."""
    try:
        return (folder / CHECKSUM).read_text() == checksum(folder)
    except (OSError, ValueError):
        return False


def checksum(folder: Path) -> str:
    """SHA-256 over a stored graph and its weights.

    Raises:
        OSError: one cannot be read, or is no regular file.
    """
    digest = hashlib.sha256()
    for name in (GRAPH, WEIGHTS):
        if not (folder / name).is_file():  # a pipe would block for ever
            raise OSError(f"{folder / name} is no file")
        with (folder / name).open("rb") as stream:
            while chunk := stream.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()


def replace_folder(new: Path, folder: Path, scratch: Path) -> None:
    """Put a folder in another's place; what was there is moved into `scratch`.

    Raises:
        OSError: it cannot be moved, or another process has put its own there at this moment.
    """
    with contextlib.suppress(FileNotFoundError):
        os.rename(folder, scratch / "before")
    os.rename(new, folder)


def _entry(model_hash: str, variant: str) -> Path:
    return cache_folder() / f"{model_hash[:32]}-{variant}-openvino{openvino_release()}-{FORMAT}"


def _make_entry(entry: Path, make: Make) -> Stored:
    made = _make_in(entry.parent, make)
    assert made.keeper is not None
    # Another process may have been quicker: its graph is the same, and may be in use already.
    if not is_intact(entry):
        try:
            replace_folder(made.folder, entry, made.keeper.folder)
        except OSError:
            if not is_intact(entry):
                return made
    made.keeper.remove()
    return Stored(entry)


def _make_in(parent: Path | None, make: Make) -> Stored:
    """A graph in a new folder in `parent`, or where temporary files belong."""
    try:
        if parent is not None:
            parent.mkdir(parents=True, exist_ok=True)
        keeper = Scratch(parent, "dfsubmit-openvino-")
    except OSError as error:
        raise NoRoom(str(error)) from error
    try:
        make(keeper.folder / "graph")
    except BaseException:
        keeper.remove()
        raise
    return Stored(keeper.folder / "graph", keeper)
