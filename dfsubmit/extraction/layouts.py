"""A data set's folders → the `Source`s in it: files with a label and the identities they show.

`find_sources` recognises the layouts of `LAYOUTS`, most of them in `datasets`. A layout must say
who is shown in each file, because a split with one person on both sides gives inflated metrics.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

from dfsubmit.errors import UsageError, did_you_mean
from dfsubmit.extraction.datasets.celeb_df import celeb_df, version_of
from dfsubmit.extraction.datasets.deepfakebench import deepfakebench, is_deepfakebench
from dfsubmit.extraction.datasets.df40 import df40, is_df40
from dfsubmit.extraction.datasets.fakeavceleb import fakeavceleb, is_fakeavceleb
from dfsubmit.extraction.datasets.folders import is_real_fake, labelled_folder, real_fake
from dfsubmit.extraction.datasets.kodf import is_kodf, kodf
from dfsubmit.extraction.datasets.openforensics import is_openforensics, openforensics
from dfsubmit.extraction.datasets.wilddeepfake import is_wilddeepfake, wilddeepfake
from dfsubmit.extraction.faceforensics import faceforensics, is_faceforensics, join_sequences
from dfsubmit.extraction.sources import SPLITS, Source, Wanted, identity_name, read_json
from dfsubmit.labels import FAKE, REAL, read_label


def find_sources(
    root: Path, dataset: str | None = None, wanted: Wanted | None = None, limit: int | None = None
) -> list[Source]:
    """The files of a data set, in order of name.

    Args:
        root: the data set's folder, or a CSV file.
        dataset: a name of `LAYOUTS`; None detects it.
        wanted: filters; None takes everything.
        limit: the maximum number of real files and of fake files, taken from the methods in turn.

    Raises:
        UsageError: there is no such data set, or no file passes the filters.
    """
    wanted = wanted or Wanted()
    dataset = layout_of(root, dataset, wanted)
    sources = sorted(LAYOUTS[dataset][1](root, wanted), key=lambda source: source.name)
    sources = join_sequences(sources, root, wanted)
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


def layout_of(root: Path, dataset: str | None = None, wanted: Wanted | None = None) -> str:
    """The name of a data set's layout; `dataset` if given.

    Args:
        wanted: its `recursive` means real-fake and its `label_from` folder.

    Raises:
        UsageError: there is no such data set or layout, none is recognised, or `wanted` has options
            of another layout.
    """
    if not root.exists():
        raise UsageError(f"{root}: there is no such folder or file")
    wanted = wanted or Wanted()
    asked = {"--recursive": wanted.recursive, "--label-from": wanted.label_from is not None}
    for option, layout in (("--recursive", "real-fake"), ("--label-from", "folder")):
        if asked[option] and dataset not in (None, layout):
            raise UsageError(f"{option} belongs to the layout {layout}, not to {dataset}")
        dataset = layout if asked[option] else dataset
    if dataset is None:
        dataset = next((name for name, (fits, _) in LAYOUTS.items() if fits(root)), None)
        if dataset is None:
            raise UsageError(
                f"{root}: no known layout of a data set",
                "say which with --dataset; or where the label stands in the paths, with "
                "--recursive or --label-from; or list the files in a CSV: path,label[,group,…]",
            )
    elif dataset not in LAYOUTS:
        raise UsageError(f"there is no layout {dataset!r}", did_you_mean(dataset, LAYOUTS))
    return dataset


def _in_turn(sources: list[Source], label: int) -> list[Source]:
    """The sources of a label, taking one of each method in turn."""
    by_method: dict[str, list[Source]] = {}
    for source in sources:
        if source.label == label:
            by_method.setdefault(source.method, []).append(source)
    turns = zip_longest(*by_method.values())
    return [source for turn in turns for source in turn if source is not None]


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


def _celeb_df(version: str) -> Layout:
    return (
        lambda root: version_of(root) == version,
        lambda root, wanted: celeb_df(root, version, wanted),
    )


# The first match is used: specific layouts come before general ones.
LAYOUTS: dict[str, Layout] = {
    "faceforensics": (is_faceforensics, faceforensics),
    "celeb-df-v1": _celeb_df("v1"),
    "celeb-df-v2": _celeb_df("v2"),
    "celeb-df-pp": _celeb_df("pp"),
    "deepfakebench": (is_deepfakebench, deepfakebench),
    "df40": (is_df40, df40),
    "fakeavceleb": (is_fakeavceleb, fakeavceleb),
    "openforensics": (is_openforensics, openforensics),
    "wilddeepfake": (is_wilddeepfake, wilddeepfake),
    "dfdc": (lambda root: bool(_dfdc_parts(root)), _dfdc),
    "real-fake": (is_real_fake, real_fake),
    "kodf": (is_kodf, kodf),
    "folder": (lambda root: False, labelled_folder),
    "csv": (lambda root: root.is_file() and root.suffix.lower() == ".csv", _csv),
}
