"""The faces of several parts of a data set → the folder that one extraction would have written.

In: folders written by ``extract --shard``. Out: one folder with all crops (hard links if the file
system supports them, else copies), ``faces.csv``, the recipe and the journal.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dfsubmit.console import progress_bar
from dfsubmit.errors import UsageError
from dfsubmit.extraction.index import FaceRow, read_index, write_index
from dfsubmit.extraction.journal import JOURNAL, Entry, refusal
from dfsubmit.extraction.sources import read_json
from dfsubmit.files import json_line, read_json_lines, replacing
from dfsubmit.labels import LABELS
from dfsubmit.shards import check_parts

RECORD = "shard.json"
"""What the folder of a shard says of the division."""


def merge_faces(out: Path, parts: Sequence[Path], progress: bool = True) -> dict[str, Any]:
    """Write the folder `out` of several parts' folders.

    Returns:
        the number of crops by class ("crops") and of files by status ("statuses").

    Raises:
        UsageError: a part is unfinished, or a shard is missing; they were cut in different ways;
            a file is in two of them; or `out` is one of them, or holds other crops. Nothing is
            written then.
        OSError: it cannot be written.
    """
    if any(out.resolve() == part.resolve() for part in parts):
        raise UsageError(f"{out} is one of the parts", "give the merged one another name")
    check_parts(
        [read_json(part / RECORD) if (part / RECORD).exists() else None for part in parts],
        "dfsubmit extract",
    )
    headers = [_header(part) for part in parts]
    earlier = [_header(out)] if (out / JOURNAL).exists() else []
    for place, header in zip((*parts, out), (*headers, *earlier), strict=False):
        if header != headers[0]:
            raise refusal(place / JOURNAL, header, headers[0])
    places: dict[str, Path] = {}
    statuses: Counter[str] = Counter()
    for part in parts:
        for name, entry in _entries(part).items():
            if name in places:
                raise UsageError(
                    f"{name} is in {places[name]} and in {part}",
                    "give every file to one part alone, as --shard does",
                )
            places[name] = part
            statuses[entry.status.value] += 1
    indexes = [read_index(part) for part in parts]
    rows = list(heapq.merge(*(rows for rows, _ in indexes), key=lambda row: row.video))
    out.mkdir(parents=True, exist_ok=True)
    with progress_bar(len(rows), "crops", progress) as bar:
        for row in rows:
            _take(places[row.video] / row.crop, out / row.crop)
            bar.update()
    with replacing(out / JOURNAL) as stream:
        stream.write(json_line(headers[0]).encode("ascii"))
        for part in parts:
            for entry in _entries(part).values():
                stream.write(json_line(entry.to_json()).encode("ascii"))
    write_index(out, rows, indexes[0][1])
    return {"crops": _counts(rows), "statuses": dict(sorted(statuses.items()))}


def _header(part: Path) -> dict[str, Any]:
    try:
        lines: Iterator[Any] = read_json_lines(part / JOURNAL)
        with contextlib.closing(lines):  # type: ignore[type-var]
            header = next((line for _, line in lines), None)
    except OSError as error:
        raise UsageError(
            f"{part} is no folder of 'dfsubmit extract': {error}", "give its --shard again"
        ) from error
    if header is None:
        raise UsageError(f"{part / JOURNAL}, line 1: damaged", "extract this part again")
    return dict(header)


def _entries(part: Path) -> dict[str, Entry]:
    """The last entry of each file of a part.

    Raises:
        UsageError: a line is damaged, or the extraction is unfinished.
    """
    entries: dict[str, Entry] = {}
    for number, line in read_json_lines(part / JOURNAL):
        if number == 1:
            continue
        try:
            entry = Entry.from_json(line or {})
        except ValueError as error:
            raise UsageError(
                f"{part / JOURNAL}, line {number}: {error}",
                "give the command of this part again: it mends it",
            ) from error
        entries.pop(entry.name, None)
        entries[entry.name] = entry
    return entries


def _take(source: Path, target: Path) -> None:
    """A crop of a part, under its place in the whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError as error:
        raise UsageError(
            f"{source}: the crop is gone", "run the command of this part again to extract it"
        ) from error
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)


def _counts(rows: Sequence[FaceRow]) -> dict[str, int]:
    return {name: sum(row.label == label for row in rows) for name, label in LABELS.items()}
