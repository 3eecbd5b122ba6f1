"""``bundle.json``: the content of a bundle, its origin, and the hash that identifies it.

In: a bundle's folder. Out: a `Manifest`. The hash covers every file but the manifest itself, so
that edits after the rehearsal are detected.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfsubmit.errors import UsageError
from dfsubmit.files import file_sha256, relative_files, write_atomically

MANIFEST_FILE = "bundle.json"
MANIFEST_VERSION = 1
TARGETS = ("task", "predict")
NOTEBOOKS = {"task": "task.ipynb", "predict": "predict.ipynb"}


@dataclass(frozen=True)
class BundleFile:
    """One file of a bundle.

    Attributes:
        path: relative to the bundle, with forward slashes.
        size: bytes.
        sha256: of its content, in hex.
        source: what produced it, for people.
    """

    path: str
    size: int
    sha256: str
    source: str


@dataclass(frozen=True)
class Manifest:
    """A bundle as it was built.

    Attributes:
        target: "task" or "predict".
        model: the model's name in the bundle.
        model_sha256: SHA-256 of its weights and configuration.
        recipe: the model's recipe as a JSON object.
        aggregator: the aggregator's spec.
        tta: "none" or "flip".
        dfsubmit: the version that built the bundle.
        pins: the requirements that the bundle installs.
        files: every file but the manifest, sorted by path.
    """

    target: str
    model: str
    model_sha256: str
    recipe: dict[str, Any]
    aggregator: str
    tta: str
    dfsubmit: str
    pins: tuple[str, ...] = ()
    files: tuple[BundleFile, ...] = field(default=())

    @property
    def model_path(self) -> str:
        """The model's folder, relative to the bundle."""
        return f"{'model' if self.target == 'task' else 'assets/model'}/{self.model}"

    def to_json(self) -> str:
        data = {"version": MANIFEST_VERSION, **dataclasses.asdict(self)}
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def describe_files(folder: Path, sources: Mapping[str, str]) -> tuple[BundleFile, ...]:
    """The files of a bundle with size and hash.

    Args:
        folder: the bundle.
        sources: path → what produced it.
    """
    return tuple(
        BundleFile(path, (folder / path).stat().st_size, file_sha256(folder / path), sources[path])
        for path in relative_files(folder)
        if path != MANIFEST_FILE
    )


def bundle_hash(folder: Path) -> str:
    """SHA-256 over the paths and contents of every file but the manifest, in hex."""
    digest = hashlib.sha256()
    for path in relative_files(folder):
        if path != MANIFEST_FILE:
            digest.update(
                f"{path}\0{file_sha256(folder / path)}\n".encode("utf-8", "surrogateescape")
            )
    return digest.hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``bundle.json``, atomically."""
    write_atomically(folder / MANIFEST_FILE, manifest.to_json())


def read_manifest(folder: Path) -> Manifest:
    """Read ``bundle.json``.

    Raises:
        UsageError: the folder is no bundle, or its manifest is not readable.
    """
    path = folder / MANIFEST_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        files = tuple(BundleFile(**item) for item in data.pop("files"))
        version = data.pop("version")
        manifest = Manifest(files=files, **{**data, "pins": tuple(data["pins"])})
        _check(manifest)
    except FileNotFoundError:
        raise UsageError(
            f"{folder} is not a bundle: it has no {MANIFEST_FILE}",
            "build one with: dfsubmit package --model DIR --target task --output build/NAME",
        ) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path} is not a bundle's manifest: {error!r}") from error
    if version != MANIFEST_VERSION or manifest.target not in TARGETS:
        raise UsageError(f"{path}: version {version!r}, target {manifest.target!r} is not known")
    return manifest


def _check(manifest: Manifest) -> None:
    """Raise ValueError for what no build writes: other types, a path for the model's name."""
    one: Any = manifest  # as it was read
    texts = [one.model, one.model_sha256, one.aggregator, one.tta, one.dfsubmit, *one.pins]
    if not all(isinstance(text, str) for text in texts) or not isinstance(one.recipe, dict):
        raise ValueError("a field is of another type")
    if manifest.model in ("", ".", "..") or set(manifest.model) & set("/\\"):
        raise ValueError(f"the model's name is {manifest.model!r}")


def changes(folder: Path, manifest: Manifest) -> list[str]:
    """The differences of a bundle from its manifest, one line per file; empty if there are none."""
    listed = {item.path: item for item in manifest.files}
    present = set(relative_files(folder)) - {MANIFEST_FILE}
    lines = [f"{path} is missing" for path in sorted(listed.keys() - present)]
    lines += [f"{path} was added" for path in sorted(present - listed.keys())]
    for path in sorted(listed.keys() & present):
        if file_sha256(folder / path) != listed[path].sha256:
            lines.append(f"{path} was changed")
    return lines
