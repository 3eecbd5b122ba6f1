"""Shards: a part of the files, chosen by their names, for one machine of several.

In: ``2/8`` and names. Out: the names in the second of eight equal parts. The part of a name depends
on the name only: an added file joins one part and moves no other file.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.console import first_few
from dfsubmit.errors import UsageError

NAMED = 3
"""The number of files that a shard's record names as examples."""


@dataclass(frozen=True)
class Shard:
    """One part of several.

    Attributes:
        number: which, from 1 to `of`.
        of: how many there are.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise UsageError(
                f"--shard {self}: there is no such part",
                f"the parts of {self.of} are 1/{self.of} to {self.of}/{self.of}"
                if self.of
                else "expected I/N with N of 1 or more",
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From ``I/N``.

        Raises:
            UsageError: it is no such text, or I is not from 1 to N.
        """
        match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", text, re.ASCII)
        if match is None:
            raise UsageError(f"--shard {text!r}: expected I/N, such as 2/8")
        return cls(int(match[1]), int(match[2]))

    def holds(self, name: str) -> bool:
        """Whether a file belongs to it."""
        return number_of(name, self.of) == self.number

    def beside(self, path: Path, folder: bool = False) -> Path:
        """Where its output lies, given where that of an undivided run would: a name of its own,
        ``submission-2-of-8.csv``.

        Args:
            path: of a file.
            folder: it is a folder's, whose name has no suffix.
        """
        path = path if path.name else path.resolve()
        stem, suffix = (path.name, "") if folder else (path.stem, path.suffix)
        return path.with_name(f"{stem}-{self.number}-of-{self.of}{suffix}")

    def all_beside(self, path: Path, folder: bool = False) -> list[Path]:
        """The outputs of all shards, as `beside`."""
        return [Shard(number, self.of).beside(path, folder) for number in range(1, self.of + 1)]

    def record(self, names: Iterable[str]) -> dict[str, Any]:
        """What its output says of the division, as plain JSON types; `check_parts` reads it.

        Args:
            names: of all files, not of its own alone.
        """
        counts, some = [0] * self.of, [list[str]() for _ in range(self.of)]
        for name in names:
            place = number_of(name, self.of) - 1
            counts[place] += 1
            if len(some[place]) < NAMED:
                some[place].append(name)
        return {"number": self.number, "of": self.of, "files": counts, "some": some}


def number_of(name: str, shards: int) -> int:
    """The number of the shard that a file belongs to, from 1 to `shards`.

    The first 64 bits of the SHA-256 of the name's bytes are a number in [0, 1), which is cut into
    as many equal parts.
    """
    digest = hashlib.sha256(os.fsencode(name)).digest()
    return (int.from_bytes(digest[:8], "big") * shards >> 64) + 1


def check_parts(records: Sequence[Any], command: str) -> None:
    """Check that outputs are all the parts of one division, each of them once. Accepts outputs if
    none of them is a shard's.

    Args:
        records: of each output, what `Shard.record` gave; None where it is not a shard's.
        command: that makes one, for the hint.

    Raises:
        UsageError: parts are missing (what they held is said), are there twice, or are of another
            division.
    """
    known = [record for record in records if record is not None]
    if not known:
        return
    if len(known) < len(records):
        raise UsageError("some of these are shards and some are not", "merge shards alone")
    try:
        divisions = sorted({int(record["of"]) for record in known})
        numbers = [int(record["number"]) for record in known]
        counts, some = known[0]["files"], known[0]["some"]
        if len(divisions) > 1:
            listing = " and ".join(map(str, divisions))
            raise UsageError(f"these are shards of different divisions: into {listing} parts")
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        if twice:
            raise UsageError(
                f"shard {twice[0]}/{divisions[0]} is given {numbers.count(twice[0])} times"
            )
        missing = [
            f"{number}/{divisions[0]} ({_held(counts[number - 1], some[number - 1])})"
            for number in range(1, divisions[0] + 1)
            if number not in numbers
        ]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise UsageError(f"the record of a shard is damaged: {error!r}") from error
    if missing:
        raise UsageError(
            f"{len(missing)} of {divisions[0]} shards are missing: {first_few(missing, 20, '; ')}",
            f"give them too, or make them: {command} … --shard I/{divisions[0]}",
        )


def _held(count: int, some: Sequence[str]) -> str:
    if not count:
        return "no files"
    rest = f" and {count - len(some)} more" if count > len(some) else ""
    return f"{count} files: {first_few(some, NAMED)}{rest}"
