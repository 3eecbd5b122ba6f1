"""KoDF, the Korean DeepFake Detection Dataset (Kwon et al., ICCV 2021), as AI-Hub gives it.

AI-Hub's archives unpack to ``1.Training/`` and ``2.Validation/``, with ``[원천][원본]원본1/``, …
(real), ``[원천][변조]train_dffs1_data/``, …, ``[원천][변조]audio_driven1/`` (fake, by method) and
``[라벨링]train_meta/…/{원본영상,변조영상}_training_메타데이터.csv`` (columns 영상ID, UUID; 영상ID,
변조모델, 소스UUID, 타겟UUID). Real clips are ``ACTOR/ACTOR_012.mp4``, fakes
``…/TARGET_SOURCE_CODE_NUMBER.mp4``, CODE being that of `_CODES`. These names are those that public
scripts of the data set's users read: folders, CSV files and their columns in scripts that prepare
AI-Hub's release, the file names in the inventory of a multi-data-set benchmark. The paper names the
methods and counts 403 actors, 62,166 real and 175,776 fake clips.

Ties: a fake shows its target and its source. Official split: AI-Hub's training part is "train", its
validation part "val". Whether the two share actors, `remarks` says.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from dfsubmit.errors import UsageError
from dfsubmit.extraction.sources import Source, Wanted, identity_name, media_files
from dfsubmit.labels import FAKE, REAL

_METHOD = re.compile(r"(?:^|[^a-z])(audio[-_]?driven|dffs|dfl|fsgan|fo)\d*(?:[^a-z0-9]|$)")
_CODES = {"1": "dfl", "2": "dffs", "3": "fsgan", "4": "fo", "5": "audio-driven"}
_FAKE_NAME = re.compile(r"([^_]+)_([^_]+)_([1-5])_\d+")
_SPLIT = re.compile(r"(?:^|[^a-z])(train|validat)")


def is_kodf(root: Path) -> bool:
    """Whether it holds two of the methods' folders, or one and a list, at most four deep."""
    methods: set[str | None] = set()
    for depth in ("*/", "*/*/", "*/*/*/", "*/*/*/*/") if root.is_dir() else ():
        methods |= {_method(path.name) for path in root.glob(depth) if path.is_dir()} - {None}
        if len(methods) >= 2:
            return True
    return len(methods) == 1 and bool(_metadata(root))


def kodf(root: Path, wanted: Wanted) -> Iterator[Source]:
    """The clips; see `layouts.find_sources`.

    Raises:
        UsageError: a metadata file cannot be read.
    """
    facts = {name: row for path in _metadata(root) for name, row in _rows(path).items()}
    for path in media_files(root):
        inner = path.relative_to(root)
        row = facts.get(path.name) or facts.get(path.stem) or {}
        method = row.get("변조모델") or next(filter(None, map(_method, inner.parts[:-1])), None)
        people = [path.stem.rpartition("_")[0] or path.stem]
        if named := _FAKE_NAME.fullmatch(path.stem):
            method = method or _CODES[named[3]]
            people = [named[1], named[2]]
        # The metadata's names of people and those in the file's name need not be the same.
        people += [row[column] for column in row if column.upper().endswith("UUID") and row[column]]
        splits = [_SPLIT.search(part.lower()) for part in inner.parts[:-1]]
        split = next((found[1] for found in splits if found), "")
        yield Source(
            path,
            inner.as_posix(),
            REAL if method is None else FAKE,
            "kodf",
            "original" if method is None else method.replace("_", "-"),
            tuple(dict.fromkeys(identity_name("kodf", person) for person in people)),
            split={"train": "train", "validat": "val"}.get(split, ""),
        )


def _method(folder: str) -> str | None:
    found = _METHOD.search(folder.lower())
    return found[1].replace("_", "-") if found else None


def _metadata(root: Path) -> list[Path]:
    """The lists of clips. macOS unpacks Korean names in another form of Unicode."""
    return [
        path
        for depth in ("*", "*/*", "*/*/*", "*/*/*/*")
        for path in sorted(root.glob(f"{depth}.csv"))
        if "메타데이터" in unicodedata.normalize("NFC", path.name)
    ]


def _rows(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a list by the clip's name. Spreadsheets of Korean Windows save in CP949."""
    try:
        data = path.read_bytes()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp949")
        rows = list(csv.DictReader(text.splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(f"{path}: {error}", "it should be CSV in UTF-8 or CP949") from error
    return {
        row["영상ID"].strip(): {key: (row[key] or "").strip() for key in row if key}
        for row in rows
        if row.get("영상ID")
    }
