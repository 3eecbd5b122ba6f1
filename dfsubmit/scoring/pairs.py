"""Files scored in two precisions, kept for later runs of the same model on the same files.

A run with ``--precision cascade`` scores its first files in both. Comparing aggregators on one
folder repeats that run, so these files are stored in the user's cache. Any aggregator's margin can
be computed from them.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path

from dfsubmit.files import json_line, write_atomically
from dfsubmit.records import FileResult

_VERSION = 1
_PACKAGES = ("torch", "transformers", "openvino", "nncf", "onnxruntime")


class PairStore:
    """The stored files of one key.

    Args:
        key: everything that the probabilities depend on, such as the model and both precisions.
        folder: of all keys; None for the user's cache.
    """

    def __init__(self, key: Sequence[str], folder: Path | None = None) -> None:
        versions = [f"{name} {_version(name)}" for name in _PACKAGES]
        text = json.dumps([_VERSION, *key, *versions])
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        self._path = (folder or _cache_folder()) / f"{name}.jsonl"
        self._results: list[FileResult] = []

    def load(self) -> list[FileResult]:
        """The stored files; none if there are none, or they are damaged."""
        try:
            lines = self._path.read_text(encoding="ascii").splitlines()
            self._results = [FileResult.from_json(json.loads(line)) for line in lines]
            if any(
                result.quick is None or len(result.quick) != len(result.frames)
                for result in self._results
            ):
                raise ValueError("no pairs")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            self._results = []
        return list(self._results)

    def add(self, result: FileResult) -> None:
        """Add a file that was scored in both precisions."""
        self._results.append(result)

    def save(self) -> None:
        """Write all files; on a full disk they are only not kept."""
        lines = (json_line(result.to_json()) for result in self._results)
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, "".join(lines))


def _cache_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("dfsubmit")) / "cascade"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
