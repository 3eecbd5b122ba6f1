"""``submission.csv``: writing, reading and validating it.

The format: columns ``filename,label``; the file's name with its extension; label 0 (real) or
1 (fake); one row per file. Names keep their bytes: bytes that are not UTF-8 become surrogate
escapes in memory and are written unchanged. A grader that compares bytes accepts such a row, but
one that reads UTF-8 rejects the whole file, so `validate_submission` reports it.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from dfsubmit.console import counted, first_few
from dfsubmit.errors import UsageError
from dfsubmit.files import replacing
from dfsubmit.media.listing import names_in
from dfsubmit.media.names import not_utf8_problem
from dfsubmit.shards import Shard

HEADER = ["filename", "label"]


def write_submission(
    path: str | os.PathLike[str], rows: Iterable[tuple[str, int]], in_order: bool = False
) -> None:
    """Write all rows, (filename, label), sorted by name (as bytes), atomically.

    Args:
        path: of the file.
        rows: in any order.
        in_order: the rows are sorted already; they are then not kept in memory.

    Raises:
        OSError: the folder is not writable, or the disk is full; an existing file is unchanged.
    """
    if not in_order:
        rows = sorted(rows, key=lambda row: os.fsencode(row[0]))
    with replacing(path) as stream:
        text = io.TextIOWrapper(stream, "utf-8", "surrogateescape", newline="")
        plain = csv.writer(text, lineterminator="\n")
        # Python's csv leaves a lone carriage return unquoted when the line ends are \n.
        quoting = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        plain.writerow(HEADER)
        for row in rows:
            writer = quoting if "\r" in row[0] else plain
            writer.writerow(row)
        text.flush()
        text.detach()


def read_submission(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """The rows as (filename, label as written), in the file's order, without the header.

    Raises:
        UsageError: the file cannot be read, or is not a CSV with these two columns.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            rows = list(csv.reader(stream, strict=True))
    except (OSError, csv.Error) as error:
        raise UsageError(f"{path}: {error}") from error
    if not rows or rows[0] != HEADER:
        found = ",".join(rows[0]) if rows else "an empty file"
        raise UsageError(f"{path}: the first line is {found!r}, not 'filename,label'")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(HEADER):
            raise UsageError(f"{path}: row {number} has {counted(len(row), 'column')}, not 2")
    return [(row[0], row[1]) for row in rows[1:]]


def validate_submission(
    path: str | os.PathLike[str], data: str | os.PathLike[str] | None = None
) -> list[str]:
    """The problems of a submission; an empty list if it is valid.

    Args:
        path: the CSV.
        data: the folder that it was made from; None checks only the format.

    Raises:
        UsageError: the data folder cannot be read.
    """
    try:
        rows = read_submission(path)
    except UsageError as error:
        return [error.message]
    names = list(dict.fromkeys(name for name, _ in rows))
    problems = _problems(rows)
    if data is not None:
        problems += compare_with_folder(names, data)
    unreadable = not_utf8_problem(names, Path("DATA" if data is None else data))
    return [*problems, unreadable] if unreadable else problems


def is_whole(path: str | os.PathLike[str], names: Iterable[str]) -> bool:
    """Whether a submission exists, has a valid format and exactly these files. Names that are not
    UTF-8 are allowed."""
    try:
        rows = read_submission(path)
    except UsageError:
        return False
    return not _problems(rows) and {name for name, _ in rows} == set(names)


def _problems(rows: list[tuple[str, str]]) -> list[str]:
    """The problems of the format."""
    problems = []
    if not rows:
        problems.append("there are no rows")
    counts = Counter(name for name, _ in rows)
    problems += _listing("name", "in more than one row", (n for n, c in counts.items() if c > 1))
    problems += _listing(
        "label",
        "neither 0 nor 1",
        (f"{name}: {label!r}" for name, label in rows if label not in ("0", "1")),
    )
    return problems


def compare_with_folder(
    names: Iterable[str], data: str | os.PathLike[str], shard: Shard | None = None
) -> list[str]:
    """Rows without a file and files without a row, as lines of text; empty if all match.

    Args:
        names: the rows' file names.
        data: the folder; it is listed now.
        shard: the part of the files that the rows are for; None for all of them.

    Raises:
        UsageError: the folder cannot be read.
    """
    given = set(names)
    below = any("/" in name for name in given)  # the rows of a run with --recursive
    expected = names_in(data, below)
    if shard is not None:
        expected = {name for name in expected if shard.holds(name)}
    return [
        *_listing("file", "without a row", sorted(expected - given)),
        *_listing("row", "without a file", sorted(given - expected)),
    ]


def _listing(noun: str, what: str, items: Iterable[str]) -> list[str]:
    """One line with the number of items and the first names; empty if there are none."""
    names = list(items)
    return [f"{counted(len(names), noun)} {what}: {first_few(names)}"] if names else []
