"""What a machine of the cluster is and has. Nothing of dfsubmit is imported: it may not be there.

This module travels by value (`cluster._ask`), so that a machine without this plugin can answer.
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
    """Python's and the packages' versions that results depend on, and those of dfsubmit's plugins;
    a package that is not there is not named."""
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
    """In what the data that this machine sees differ from the driver's, a line each.

    Args:
        sample: paths, with their sizes and times of modification in nanoseconds on the driver.
        folder: the data folder.
        count: the number of files there.
        recursive: those in its subfolders count too.
    """
    lines = []
    try:
        seen = _count(folder, recursive)
        if seen != count:
            lines.append(f"{folder} holds {seen} files there and {count} here")
    except OSError as error:
        return [f"{folder} cannot be read there: {error.strerror}"]
    for path, size, mtime_ns in sample:
        try:
            facts = os.stat(path)
        except OSError as error:
            if size >= 0:
                lines.append(f"{path}: {error.strerror}")
            continue
        # Network disks may keep whole seconds alone.
        if facts.st_size != size or abs(facts.st_mtime_ns - mtime_ns) > 2e9:
            lines.append(f"{path} has another size or time of modification there")
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
