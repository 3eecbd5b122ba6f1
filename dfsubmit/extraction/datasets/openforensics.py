"""OpenForensics (Le et al., ICCV 2021): photographs with many faces, some of them exchanged.

``{Train,Val,Test-Dev,Test-Challenge}_poly.json`` in COCO's form (``images``: id, file_name;
``annotations``: image_id, category_id, bbox; category 0 is real, 1 is fake) lie with the images or
above them: ``Train/Train_poly.json`` and ``Train/Train/*.jpg``, or ``Train_poly.json`` and
``Images/Train/*.jpg``. Source: zenodo.org/records/5528418 and scripts of its users.

A photograph is used where all its faces are real or all are fake: of a mixed one nobody can say
which face the detector will find largest. Ties: nothing in the lists says which photograph a fake
was made from, so each image is alone. Official split: both tests are "test".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dfsubmit.console import warn
from dfsubmit.errors import UsageError
from dfsubmit.extraction.sources import Source, Wanted, identity_name, read_json
from dfsubmit.labels import FAKE, REAL, read_label

_SPLITS = {"Train": "train", "Val": "val", "Test-Dev": "test", "Test-Challenge": "test"}


def _listings(root: Path) -> Iterator[tuple[Path, str]]:
    for part in _SPLITS:
        for path in (root / f"{part}_poly.json", root / part / f"{part}_poly.json"):
            if path.is_file():
                yield path, part


def is_openforensics(root: Path) -> bool:
    """Whether one of the release's lists is there."""
    return next(_listings(root), None) is not None


def openforensics(root: Path, wanted: Wanted) -> Iterator[Source]:
    """The images; see `layouts.find_sources`.

    Raises:
        UsageError: a list is not in COCO's form.
    """
    mixed = 0
    for listing, part in _listings(root):
        names, labels = _faces(listing)
        places = [root / part / part, root / "Images" / part, root / part, root]
        for image, file_name in sorted(names.items(), key=lambda item: item[1]):
            found = (place / Path(file_name).name for place in places)
            path = next((path for path in found if path.is_file()), None)
            if path is None or not labels[image]:
                continue  # parts are often kept in part
            if len(labels[image]) > 1:
                mixed += 1
                continue
            (label,) = labels[image]
            yield Source(
                path,
                path.relative_to(root).as_posix(),
                label,
                "openforensics",
                "original" if label == REAL else "fake",
                (identity_name("openforensics", path.stem),),
                split=_SPLITS[part],
            )
    if mixed:
        warn(f"{root}: left out: {mixed:,} images that show both real and fake faces")


def _faces(listing: Path) -> tuple[dict[Any, str], dict[Any, set[int]]]:
    """(file name, labels of the faces) by the image's number in the list."""
    content = read_json(listing)
    try:
        words = {row["id"]: read_label(str(row["name"])) for row in content.get("categories", ())}
        named = {number: label for number, label in words.items() if label is not None}
        by_number = {0: REAL, 1: FAKE} | named
        labels: dict[Any, set[int]] = defaultdict(set)
        for face in content["annotations"]:
            labels[face["image_id"]].add(by_number[face["category_id"]])
        return {row["id"]: str(row["file_name"]) for row in content["images"]}, labels
    except (AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{listing}: not a list in COCO's form: {error!r}") from error
