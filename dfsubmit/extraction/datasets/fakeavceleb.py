"""FakeAVCeleb (Khalid et al., NeurIPS 2021 data sets and benchmarks).

``{RealVideo,FakeVideo}-{RealAudio,FakeAudio}/RACE/GENDER/idNNNNN/CLIP.mp4``, a fake's clip being
called ``00109_10_id00476_wavtolip.mp4``: the folder names whose video it is, the file name the
others. ``meta_data.csv`` (source, target1, target2, method, category, type, race, gender, path and
a last column without a name, the folder) says the method. Source: scripts of the data set's users
(several of github's readers of ``meta_data.csv``); github.com/DASH-Lab/FakeAVCeleb has the form and
the counts.

A video whose sound alone is fake (``RealVideo-FakeAudio``) is labelled real here, since nothing of
this package hears it. Ties: the folder's person and every id in the file's name. No official split.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from dfsubmit.errors import UsageError
from dfsubmit.extraction.sources import Source, Wanted, base_of, identity_name, media_files
from dfsubmit.labels import FAKE, REAL

_TYPES = {
    "RealVideo-RealAudio": REAL,
    "RealVideo-FakeAudio": REAL,
    "FakeVideo-RealAudio": FAKE,
    "FakeVideo-FakeAudio": FAKE,
}
_PERSON = re.compile(r"(?<![A-Za-z0-9])id\d{5}(?![A-Za-z0-9])")


def _fits(root: Path) -> bool:
    return sum((root / name).is_dir() for name in _TYPES) >= 2


def is_fakeavceleb(root: Path) -> bool:
    """Whether two of the four folders are in it, or in the one folder in it."""
    return base_of(root, _fits) is not None


def fakeavceleb(root: Path, wanted: Wanted) -> Iterator[Source]:
    """The videos; see `layouts.find_sources`.

    Raises:
        UsageError: ``meta_data.csv`` cannot be read.
    """
    base = base_of(root, _fits) or root
    methods = _methods(base / "meta_data.csv")
    for kind, label in _TYPES.items():
        for path in media_files(base / kind) if (base / kind).is_dir() else ():
            folders = path.relative_to(base / kind).parts[:-1]
            person = folders[-1] if folders else path.stem
            method = methods.get((kind, person, path.name), kind)
            people = [person, *_PERSON.findall(path.stem)]
            yield Source(
                path,
                path.relative_to(root).as_posix(),
                label,
                "fakeavceleb",
                "original" if kind == "RealVideo-RealAudio" else method,
                tuple(dict.fromkeys(identity_name("fakeavceleb", name) for name in people)),
            )


def _methods(listing: Path) -> dict[tuple[str, str, str], str]:
    """The method by (type, person, file name); empty where there is no list."""
    if not listing.is_file():
        return {}
    try:
        with listing.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(f"{listing}: {error}") from error
    return {
        (row.get("type") or "", row.get("source") or "", row.get("path") or ""): row["method"]
        for row in rows
        if row.get("method")
    }
