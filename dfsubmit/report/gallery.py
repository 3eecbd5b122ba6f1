"""The selection of the page's pictures, within its size limit.

In: the files of a run and the folders with their pictures. Out: `FilePictures` by file number: a
thumbnail of each, up to two of its faces, and all faces of the files that matter most, as far as
the bytes last. Pictures become part of the page, or files of a folder beside it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from dfsubmit.errors import UsageError
from dfsubmit.faces.pictures import Picture, Pictures, read_pictures
from dfsubmit.files import write_atomically
from dfsubmit.records import Box
from dfsubmit.report.content import Entry

if TYPE_CHECKING:
    from dfsubmit.report.heatmaps import Drawn

FEW = 2
"""Faces of a file that does not matter: those with the highest and the lowest p_fake."""
ALL = 3
"""The share of its pictures that is all of them, see `_share`."""
_PER_PICTURE = 330
"""Bytes of the page's text around a picture."""


@dataclass(frozen=True)
class Shown:
    """A picture on the page.

    Attributes:
        address: for ``src``: a data URI, or a path relative to the page.
        index, time, detection, box: of its frame, as in `Picture`.
        size: of the whole frame, (width, height).
        p_fake: of its frame; None where it has none.
    """

    address: str
    index: int
    time: float
    detection: float
    box: Box | None
    size: tuple[int, int]
    p_fake: float | None


@dataclass(frozen=True)
class Look:
    """Where the model looked in one face: addresses of Grad-CAM over it, of its control, and of
    attention rollout (None: the network has none)."""

    index: int
    time: float
    map: str
    control: str
    rollout: str | None


@dataclass(frozen=True)
class FilePictures:
    """The pictures of one file on the page.

    Attributes:
        thumbnail, frame: the whole frame, small and large; None where there is none, or no room.
        crops: its faces as the model saw them, in order of time.
    """

    thumbnail: Shown | None = None
    frame: Shown | None = None
    crops: tuple[Shown, ...] = ()


class Gallery:
    """Puts pictures where the page finds them.

    Args:
        page: where the page will lie.
        assets: the folder for the pictures; None puts them into the page.
        room: bytes that pictures may take of the page; what lies in a folder takes none.
    """

    def __init__(self, page: Path, assets: Path | None, room: int) -> None:
        self.page = page
        self.assets = assets
        self.room = room

    def hang(self, entries: Sequence[Entry], folders: Sequence[Path]) -> dict[int, FilePictures]:
        """Choose the pictures of all files.

        Args:
            entries: the files.
            folders: where pictures lie, of which the first that has a file's counts.

        Raises:
            UsageError: the folder for the pictures cannot be written.
        """
        order = sorted(entries, key=lambda entry: entry.matters)
        shares = self._shares(order, folders)
        shown: dict[int, FilePictures] = {}
        for entry in order:
            if entry.number in shares and (found := _of(entry, folders)) is not None:
                shown[entry.number] = self._hung(entry, _share(entry, found, shares[entry.number]))
        return shown

    def _shares(self, order: Sequence[Entry], folders: Sequence[Path]) -> dict[int, int]:
        """How many of its pictures each file gets, see `_share`: all files a thumbnail before any
        gets faces, and all a few faces before some get all. Takes the room."""
        sizes: dict[int, list[int]] = {}
        for entry in order:
            if (found := _of(entry, folders)) is not None:
                sizes[entry.number] = [
                    _bytes(_share(entry, found, share)) for share in range(1, ALL + 1)
                ]
        given: dict[int, int] = {}
        for share in range(1, ALL + 1):
            for number, size in sizes.items():
                before = size[share - 2] if share > 1 else 0
                if not self._take(size[share - 1] - before):
                    return given
                given[number] = share
        return given

    def looks(self, number: int, drawn: Sequence[Drawn]) -> list[Look]:
        """Where the model looked in one file's faces; takes its room before other pictures.

        Raises:
            UsageError: as `hang`.
        """
        for look in drawn:
            maps = [data for data in (look.map, look.control, look.rollout) if data]
            self._take(sum(len(data) * 4 // 3 + _PER_PICTURE for data in maps))
        return [
            Look(
                look.index,
                look.time,
                self.address(f"{number}-map-{look.index}", look.map),
                self.address(f"{number}-control-{look.index}", look.control),
                self.address(f"{number}-rollout-{look.index}", look.rollout)
                if look.rollout
                else None,
            )
            for look in drawn
        ]

    def address(self, name: str, data: bytes) -> str:
        """Where the page finds a picture.

        Raises:
            UsageError: it cannot be written.
        """
        if self.assets is None:
            return "data:image/webp;base64," + base64.b64encode(data).decode("ascii")
        try:
            self.assets.mkdir(parents=True, exist_ok=True)
            path = self.assets / f"{name}.webp"
            write_atomically(path, data)
        except OSError as error:
            raise UsageError(f"{self.assets}: {error.strerror or error}") from error
        return quote(Path(os.path.relpath(path, self.page.parent)).as_posix())

    def _take(self, size: int) -> bool:
        """Whether there is room for this many bytes, which are then reserved."""
        if self.assets is None:
            if size > self.room:
                return False
            self.room -= size
        return True

    def _hung(self, entry: Entry, found: Pictures) -> FilePictures:
        p_fake = _p_fake(entry)

        def shown(picture: Picture, kind: str, data: bytes) -> Shown:
            return Shown(
                self.address(f"{entry.number}-{kind}", data),
                picture.index,
                picture.time,
                picture.detection,
                picture.box,
                picture.size,
                p_fake.get(picture.index),
            )

        small = large = None
        if found.frame is not None:
            small = shown(found.frame, "small", found.thumbnail)
            if found.frame.data:
                large = shown(found.frame, "frame", found.frame.data)
        crops = (shown(crop, f"face-{crop.index}", crop.data) for crop in found.crops)
        return FilePictures(small, large, tuple(crops))


def fitting(entry: Entry, found: Pictures) -> Pictures | None:
    """Of a file's pictures those of its scored frames; None where they are of another scan: a box
    that differs says that the face was found or cut otherwise."""
    boxes = {frame.index: frame.box for frame in entry.result.frames}
    crops = tuple(crop for crop in found.crops if crop.index in boxes)
    if any(crop.box != boxes[crop.index] for crop in crops) or bool(boxes) != bool(crops):
        return None
    return Pictures(crops, found.frame, found.thumbnail)


def _of(entry: Entry, folders: Sequence[Path]) -> Pictures | None:
    for folder in folders:
        found = read_pictures(folder, entry.result.filename)
        if found is not None and (fits := fitting(entry, found)) is not None:
            return fits
    return None


def _p_fake(entry: Entry) -> dict[int, float]:
    """Of each scored frame, by its index."""
    return {frame.index: frame.p_fake for frame in entry.result.frames}


def _extremes(entry: Entry, crops: Sequence[Picture]) -> tuple[Picture, ...]:
    """The faces with the highest and the lowest p_fake, in order of time."""
    if len(crops) <= FEW:
        return tuple(crops)
    p_fake = _p_fake(entry)
    values = np.array([p_fake[crop.index] for crop in crops])
    chosen = sorted({int(values.argmax()), int(values.argmin())})
    return tuple(crops[place] for place in chosen)


def _share(entry: Entry, found: Pictures, share: int) -> Pictures:
    """A file's thumbnail (share 1), that and `FEW` faces (2), or all of its pictures (3)."""
    if share == ALL:
        return found
    frame = None if found.frame is None else replace(found.frame, data=b"")
    crops = _extremes(entry, found.crops) if share > 1 else ()
    return Pictures(crops, frame, found.thumbnail)


def _bytes(pictures: Pictures) -> int:
    """What pictures take of a page."""
    data = [crop.data for crop in pictures.crops]
    data += [pictures.frame.data, pictures.thumbnail] if pictures.frame else []
    return sum(len(item) * 4 // 3 + _PER_PICTURE for item in data if item)
