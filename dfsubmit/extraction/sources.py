"""The files of a data set (`Source`), and functions to read its folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.errors import UsageError
from dfsubmit.media.listing import IMAGE_SUFFIXES

SPLITS = ("train", "val", "test")
_NOT_MEDIA = set(
    ".json .txt .csv .tsv .md .html .pdf .zip .tar .gz .npy .npz .wav .yaml .xlsx .py .sh".split()
)


@dataclass(frozen=True)
class Source:
    """One video or image of a data set.

    Attributes:
        path: where it is.
        name: its full path relative to the data set, with slashes: two videos called
            ``000_003.mp4`` made by two methods are two sources.
        label: 0 real, 1 fake.
        dataset: for example "faceforensics" or "celeb-df-v2".
        method: how it was manipulated; "original" for most real ones.
        identities: the people and material that it may share with other files; never empty.
        compression: such as "c40"; empty if the data set has none.
        split: "train", "val" or "test" by the data set's authors (or its CSV), else "".
    """

    path: Path
    name: str
    label: int
    dataset: str
    method: str
    identities: tuple[str, ...]
    compression: str = ""
    split: str = ""


@dataclass(frozen=True)
class Wanted:
    """The user's selection from a data set.

    Attributes:
        compression: for FaceForensics++; None if there is only one.
        methods: the manipulation methods; empty for all.
        video_ids: FaceForensics++'s ``conversion_dict.json``, if it is not beside the data.
        recursive: for real-fake: folders called real and fake at any depth.
        label_from: for folder: the position of the label in a path; see `datasets.folders`.
    """

    compression: str | None = None
    methods: tuple[str, ...] = ()
    video_ids: Path | None = None
    recursive: bool = False
    label_from: str | None = None


def may_be_media(path: Path) -> bool:
    """Whether a file may be media by its suffix: it is no list, archive or array."""
    return path.suffix.lower() not in _NOT_MEDIA


def media_files(folder: Path) -> Iterator[Path]:
    """The files under a folder that may be media; hidden ones and lists are not."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and may_be_media(path) and path.is_file():
            yield path


def image_files(folder: Path) -> Iterator[Path]:
    """The files under a folder that are images by their suffix."""
    return (path for path in media_files(folder) if path.suffix.lower() in IMAGE_SUFFIXES)


def base_of(root: Path, fits: Callable[[Path], bool]) -> Path | None:
    """The folder that has a layout: `root`, or the one folder in it, as archives unpack; or None.

    Args:
        fits: whether a folder has the layout.
    """
    if not root.is_dir():
        return None
    if fits(root):
        return root
    inner = [path for path in sorted(root.iterdir()) if path.is_dir() and fits(path)]
    return inner[0] if len(inner) == 1 else None


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error


def identity_name(dataset: str, name: str) -> str:
    """An identity's name; ``;`` separates identities in ``faces.csv``."""
    return f"{dataset}:{name}".replace(";", ",")
