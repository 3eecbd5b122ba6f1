"""``faces.csv``: one row per crop, with the recipe beside it."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from dfsubmit.errors import UsageError
from dfsubmit.extraction.landmarks import read_landmarks
from dfsubmit.files import replacing, write_atomically
from dfsubmit.labels import LABEL_NAMES, LABELS
from dfsubmit.recipe import RECIPE_FILE, Recipe, load_recipe
from dfsubmit.records import Box

INDEX_FILE = "faces.csv"

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class FaceRow:
    """One crop.

    Attributes:
        crop: its file, relative to the folder of ``faces.csv``, with slashes.
        label: 0 real, 1 fake (written as "real" and "fake").
        method, dataset, compression: of its video (see `sources.Source`).
        video: the full relative path of its video within its data set.
        group: the identity group, over the data set as extracted.
        identities: the people shown. `finetune` recomputes the groups from these, since two
            extractions together may tie people that are not tied in either.
        split: "train", "val", "test" or "".
        frame: the frame's number in its video.
        time: seconds from the video's start.
        box: the detector's box in frame pixels.
        landmarks: as `landmarks` writes them; empty if the detector gives none.
    """

    crop: str
    label: int
    method: str
    dataset: str
    compression: str
    video: str
    group: str
    identities: tuple[str, ...]
    split: str
    frame: int
    time: float
    box: Box
    landmarks: str = ""


LANDMARKS = "landmarks"
"""The column for landmarks; left out if the detector gives none."""
COLUMNS = tuple(item.name for item in dataclasses.fields(FaceRow) if item.name != LANDMARKS)


def write_index(folder: Path, rows: Iterable[FaceRow], recipe: Recipe) -> None:
    """Write ``faces.csv`` and the recipe, each atomically."""
    rows = list(rows)
    columns = (*COLUMNS, LANDMARKS) if any(row.landmarks for row in rows) else COLUMNS
    write_atomically(folder / RECIPE_FILE, recipe.to_json())
    with replacing(folder / INDEX_FILE) as stream:
        text = io.TextIOWrapper(stream, "utf-8", "surrogateescape", newline="")
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            values = {name: getattr(row, name) for name in COLUMNS}
            values["label"] = LABEL_NAMES[row.label]
            values["identities"] = ";".join(row.identities)
            values["box"] = " ".join(str(edge) for edge in row.box)
            if LANDMARKS in columns:
                values[LANDMARKS] = row.landmarks
            writer.writerow(values)
        text.detach()  # flushes; the stream is closed by its owner


def read_index(folder: Path) -> tuple[list[FaceRow], Recipe]:
    """The crops of a folder that `dfsubmit extract` wrote, and their recipe.

    Raises:
        UsageError: it is not such a folder, or a line of its index is damaged.
    """
    path = folder / INDEX_FILE
    rows = []
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            for number, values in enumerate(csv.DictReader(stream), start=2):
                try:
                    if None in values or None in values.values():
                        raise ValueError(f"it has not {len(COLUMNS)} cells")
                    left, top, right, bottom = (int(edge) for edge in values["box"].split())
                    row = FaceRow(
                        crop=_within(values["crop"]),
                        label=LABELS[values["label"]],
                        method=values["method"],
                        dataset=values["dataset"],
                        compression=values["compression"],
                        video=values["video"],
                        group=values["group"],
                        identities=tuple(values["identities"].split(";")),
                        split=values["split"],
                        frame=_no_less_than_0(int(values["frame"])),
                        time=_no_less_than_0(float(values["time"])),
                        box=(left, top, right, bottom),
                        landmarks=_checked(values.get(LANDMARKS, "")),
                    )
                except (KeyError, ValueError) as error:
                    raise UsageError(f"{path}, line {number}: not a face: {error!r}") from error
                rows.append(row)
    except (OSError, csv.Error) as error:
        raise UsageError(
            f"{path}: {error}", "make the folder with 'dfsubmit extract DATASET FACES'"
        ) from error
    return rows, load_recipe(folder / RECIPE_FILE)


def _within(crop: str) -> str:
    """The path of a crop within its folder.

    Raises:
        ValueError: it leads out of the folder.
    """
    path = PurePosixPath(crop)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in crop:
        raise ValueError(f"the crop {crop!r} is not in the folder")
    return crop


def _checked(landmarks: str) -> str:
    read_landmarks(landmarks)
    return landmarks


def _no_less_than_0(value: Number) -> Number:
    if not (value >= 0 and math.isfinite(value)):
        raise ValueError(f"{value} is not 0 or more")
    return value
