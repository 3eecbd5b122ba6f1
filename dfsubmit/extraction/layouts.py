"""A data set's folders → the `Source`s in it: files with a label and the identities they show.

`find_sources` recognises FaceForensics++, Celeb-DF (v1 and v2), DFDC, a folder with ``real/`` and
``fake/``, and a CSV file. What a layout must know is who is to be seen in a file, because a split
that puts one person on both sides promises figures that do not hold.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

from dfsubmit.errors import UsageError, did_you_mean
from dfsubmit.extraction.faceforensics import faceforensics, is_faceforensics
from dfsubmit.extraction.names import shared_names
from dfsubmit.extraction.sources import (
    SPLITS,
    Source,
    Wanted,
    identity_name,
    media_files,
    read_json,
)
from dfsubmit.records import FAKE, LABELS, REAL, read_label


def find_sources(
    root: Path, dataset: str | None = None, wanted: Wanted | None = None, limit: int | None = None
) -> list[Source]:
    """The files of a data set, in order of name.

    Args:
        root: the data set's folder, or a CSV file.
        dataset: a name of `LAYOUTS`; None finds out.
        wanted: what to take of it; None takes everything.
        limit: at most so many real and so many fake files, the methods taken in turn.

    Raises:
        UsageError: there is no such data set, or nothing of it is wanted.
    """
    dataset = layout_of(root, dataset)
    wanted = wanted or Wanted()
    sources = sorted(LAYOUTS[dataset][1](root, wanted), key=lambda source: source.name)
    known = {source.method for source in sources if source.label == FAKE}
    for method in wanted.methods:
        if method not in known:
            raise UsageError(f"{root}: no method {method!r}", did_you_mean(method, known))
    if wanted.methods:
        sources = [s for s in sources if s.label == REAL or s.method in wanted.methods]
    if limit is not None:
        chosen = {
            source.name for label in (REAL, FAKE) for source in _in_turn(sources, label)[:limit]
        }
        sources = [source for source in sources if source.name in chosen]
    if not sources:
        raise UsageError(f"{root}: holds no files in the layout of {dataset}")
    return sources


def layout_of(root: Path, dataset: str | None = None) -> str:
    """The name of a data set's layout; `dataset` where that is given.

    Raises:
        UsageError: there is no such data set or layout, or none can be recognised.
    """
    if not root.exists():
        raise UsageError(f"{root}: there is no such folder or file")
    if dataset is None:
        dataset = next((name for name, (fits, _) in LAYOUTS.items() if fits(root)), None)
        if dataset is None:
            raise UsageError(
                f"{root}: no known layout of a data set",
                "say which with --dataset, or list the files in a CSV: path,label[,group,…]",
            )
    elif dataset not in LAYOUTS:
        raise UsageError(f"there is no layout {dataset!r}", did_you_mean(dataset, LAYOUTS))
    return dataset


def _in_turn(sources: list[Source], label: int) -> list[Source]:
    """The sources of a label, one of each method at a time."""
    by_method: dict[str, list[Source]] = {}
    for source in sources:
        if source.label == label:
            by_method.setdefault(source.method, []).append(source)
    turns = zip_longest(*by_method.values())
    return [source for turn in turns for source in turn if source is not None]


# --- Celeb-DF (Li et al., CVPR 2020) --------------------------------------------------------------

_CELEB_FOLDERS = {"celeb-real": REAL, "youtube-real": REAL, "celeb-synthesis": FAKE}


def _is_celeb_df(root: Path, version: str) -> bool:
    # The two releases look alike, and only the folder's own name can tell them apart.
    first = re.search(r"v1|-1$", root.resolve().name.lower()) is not None
    return (root / "Celeb-synthesis").is_dir() and first == (version == "v1")


def _celeb_df(root: Path, version: str) -> Iterator[Source]:
    listed = root / "List_of_testing_videos.txt"
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    tests = {line.split(maxsplit=1)[1].strip().casefold() for line in lines if " " in line.strip()}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        label = _CELEB_FOLDERS.get(folder.name.casefold())
        for path in media_files(folder) if label is not None else ():
            people = re.findall(r"id\d+", path.stem) or [f"youtube-{path.stem}"]
            yield Source(
                path,
                path.relative_to(root).as_posix(),
                label if label is not None else REAL,
                f"celeb-df-{version}",
                folder.name,
                # One name space for both releases: the second contains videos of the first.
                tuple(f"celeb-df:{person}" for person in people),
                split="test" if f"{folder.name}/{path.name}".casefold() in tests else "",
            )


# --- DFDC (Dolhansky et al., 2020) ----------------------------------------------------------------


def _dfdc_parts(root: Path) -> list[Path]:
    return sorted([*root.glob("metadata.json"), *root.glob("*/metadata.json")])


def _dfdc(root: Path, wanted: Wanted) -> Iterator[Source]:
    for listing in _dfdc_parts(root):
        for name, facts in read_json(listing).items():
            path = listing.parent / name
            if not path.is_file():
                continue  # parts are often kept in part
            label = read_label(str(facts.get("label")))
            if label is None:
                raise UsageError(f"{listing}: {name} is labelled {facts.get('label')!r}")
            split = str(facts.get("split") or "")
            yield Source(
                path,
                path.relative_to(root).as_posix(),
                label,
                "dfdc",
                "dfdc" if label == FAKE else "original",
                (f"dfdc:{Path(facts.get('original') or name).stem}",),
                split=split if split in SPLITS else "",
            )


# --- real/ and fake/ ------------------------------------------------------------------------------


def _is_real_fake(root: Path) -> bool:
    return all((root / name).is_dir() for name in LABELS)


def _real_fake(root: Path, wanted: Wanted) -> Iterator[Source]:
    dataset = root.resolve().name
    paths = {name: list(media_files(root / name)) for name in LABELS}
    inner = {name: [path.relative_to(root / name) for path in paths[name]] for name in LABELS}
    people = shared_names(inner["real"], inner["fake"])
    for name, label in LABELS.items():
        for path, shown in zip(paths[name], people[label], strict=True):
            yield Source(
                path,
                path.relative_to(root).as_posix(),
                label,
                dataset,
                "original" if label == REAL else "fake",
                tuple(identity_name(dataset, person) for person in shown),
            )


# --- CSV ------------------------------------------------------------------------------------------


def _csv(listing: Path, wanted: Wanted) -> Iterator[Source]:
    dataset = listing.stem
    try:
        with listing.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, csv.Error) as error:
        raise UsageError(f"{listing}: {error}") from error
    for number, row in enumerate(rows, start=2):
        name, word = (row.get("path") or "").strip(), (row.get("label") or "").strip()
        label, split = read_label(word), (row.get("split") or "").strip()
        if not name or label is None or split not in ("", *SPLITS):
            raise UsageError(
                f"{listing}, line {number}: path {name!r}, label {word!r}, split {split!r}",
                "columns: path,label[,group,method,split]; real or fake; train, val, test or empty",
            )
        usual = "original" if label == REAL else "fake"
        yield Source(
            listing.parent / name,
            name,
            label,
            dataset,
            (row.get("method") or "").strip() or usual,
            (identity_name(dataset, (row.get("group") or "").strip() or name),),
            split=split,
        )


Layout = tuple[Callable[[Path], bool], Callable[[Path, Wanted], Iterator[Source]]]

LAYOUTS: dict[str, Layout] = {
    "faceforensics": (is_faceforensics, faceforensics),
    "celeb-df-v1": (lambda root: _is_celeb_df(root, "v1"), lambda root, _: _celeb_df(root, "v1")),
    "celeb-df-v2": (lambda root: _is_celeb_df(root, "v2"), lambda root, _: _celeb_df(root, "v2")),
    "dfdc": (lambda root: bool(_dfdc_parts(root)), _dfdc),
    "real-fake": (_is_real_fake, _real_fake),
    "csv": (lambda root: root.is_file() and root.suffix.lower() == ".csv", _csv),
}
