"""What a data set is made of: `Source`s, and what its folders are read with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.errors import UsageError

SPLITS = ("train", "val", "test")
_NOT_MEDIA = {".json", ".txt", ".csv", ".tsv", ".md", ".html", ".pdf", ".zip"}


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
        identities: everybody and everything it shares with others: never empty.
        compression: "c40" and the like; empty where the data set has no such thing.
        split: "train", "val" or "test" where the data set's authors (or its CSV) say so, else "".
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
    """What the user narrowed the data set down to.

    Attributes:
        compression: of FaceForensics++; None where only one is there.
        methods: of manipulation; empty for all.
        video_ids: FaceForensics++'s ``conversion_dict.json``, where it does not lie beside the
            data.
    """

    compression: str | None = None
    methods: tuple[str, ...] = ()
    video_ids: Path | None = None


def media_files(folder: Path) -> Iterator[Path]:
    """The files under a folder that may be media; hidden ones and lists are not."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.suffix.lower() not in _NOT_MEDIA and path.is_file():
            yield path


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error


def identity_name(dataset: str, name: str) -> str:
    """An identity's name; ``;`` separates identities in ``faces.csv``."""
    return f"{dataset}:{name}".replace(";", ",")
