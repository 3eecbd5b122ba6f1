"""A machine's versions and files. Imports nothing of dfsubmit, which may not be installed there.

Ray sends this module by value (`cluster._ask`), so that a machine without this plugin can answer.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform

PACKAGES = (
    "dfsubmit", "torch", "transformers", "numpy", "dlib", "dlib-bin", "opencv-python",
    "opencv-python-headless", "pillow", "openvino", "onnxruntime",
)  # fmt: skip


def versions() -> dict[str, str]:
    """The versions of Python, of the installed packages that results depend on, and of dfsubmit's
    plugins."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    names = set(PACKAGES)
    for point in importlib.metadata.entry_points(group="dfsubmit"):
        if point.dist is not None:
            names.add(point.dist.name)
    for name in sorted(names):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def differing_files(
    sample: list[tuple[str, int, int]], folder: str, count: int, recursive: bool
) -> list[str]:
    """The differences between this machine's data and the driver's, one line each.

    Args:
        sample: paths, with their sizes and modification times in nanoseconds on the driver.
        folder: the data folder.
        count: the number of files in it on the driver.
        recursive: also count the files in its subfolders.
    """
    lines = []
    try:
        seen = _count(folder, recursive)
        if seen != count:
            lines.append(f"{folder} has {seen} files there and {count} here")
    except OSError as error:
        return [f"{folder} cannot be read there: {error.strerror}"]
    for path, size, mtime_ns in sample:
        try:
            facts = os.stat(path)
        except OSError as error:
            if size >= 0:
                lines.append(f"{path}: {error.strerror}")
            continue
        # Network disks may store whole seconds only.
        if facts.st_size != size or abs(facts.st_mtime_ns - mtime_ns) > 2e9:
            lines.append(f"{path} has a different size or modification time there")
    return lines


def _count(folder: str, recursive: bool) -> int:
    if not recursive:
        with os.scandir(folder) as entries:
            return sum(not entry.name.startswith(".") and not entry.is_dir() for entry in entries)
    total = 0
    for _, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        total += sum(not name.startswith(".") for name in names)
    return total


def _raise(error: OSError) -> None:
    raise error
