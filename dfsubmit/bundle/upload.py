"""The files that each client would upload from a bundle, by exactly the client's own rules.

In: a bundle's folder and its target. Out: the relative paths that reach the server. The rules are
those of the published clients (aifactory 2.0.0 and 3.2.2).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MAX_SIZE = 2 * 2**30
"""Bytes of a bundle that are allowed unless the user says otherwise; the server's own limit goes
with the key."""
DROPPED_FOLDERS = ("train", "drive", "sample_data")
"""The 2025 client leaves out every file whose folder path contains one of these."""


def uploaded(folder: Path, target: str) -> list[str]:
    """The files that the client of `target` would send, relative to `folder`, sorted."""
    return sorted(_by_task(folder) if target == "task" else _by_predict(folder))


def dropped_by_task(path: str) -> bool:
    """Whether the 2025 client would leave out a file, given its path relative to the bundle.

    It looks for the words anywhere in the folder path, and for ``aif.zip`` in the file's name.
    """
    parent, _, name = ("./" + path).rpartition("/")
    return any(word in parent for word in DROPPED_FOLDERS) or "aif.zip" in name


def _by_task(folder: Path) -> list[str]:
    paths = []
    # Links to folders are not entered, links to files are read through, as in the client.
    for current, _, names in os.walk(folder):
        relative = [Path(current, name).relative_to(folder).as_posix() for name in names]
        paths += [path for path in relative if not dropped_by_task(path)]
    return paths


def _by_predict(folder: Path) -> list[str]:
    paths = [name for name in ("predict.ipynb", "requirements.txt") if (folder / name).is_file()]
    for current, _, names in os.walk(folder / "assets"):
        for name in names:
            path = Path(current, name)
            if path.exists():
                paths.append(path.relative_to(folder).as_posix())
    return paths


def lay_out(folder: Path, paths: list[str], destination: Path) -> None:
    """Copy the given files of a bundle into a folder, as unzipping the upload would."""
    for path in paths:
        target = destination / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / path, target)
