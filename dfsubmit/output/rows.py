"""The rows of a run in progress: a label, a status and a position in the journal per file.

The rest of each result is stored in the journal, so that a million files take about 100 MB.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise

from dfsubmit.output.journal import FINAL
from dfsubmit.records import FileResult, Status

_STATUSES = tuple(Status)
_NUMBERS = {status: number for number, status in enumerate(_STATUSES)}
_NOWHERE = -1


class Rows:
    """A row for every file, provisional at first.

    Args:
        names: of the files, each once.
        failure_label: of provisional rows.

    Attributes:
        in_order: whether the names are sorted, as bytes.
    """

    def __init__(self, names: Sequence[str], failure_label: int) -> None:
        self.names = names
        self.failure_label = failure_label
        self.in_order = all(
            os.fsencode(before) <= os.fsencode(after) for before, after in pairwise(names)
        )
        self._numbers = {name: number for number, name in enumerate(names)}
        self._labels = bytearray([failure_label]) * len(names)
        self._statuses = bytearray([_NUMBERS[Status.PENDING]]) * len(names)
        self._places = array("q", [_NOWHERE]) * len(names)
        self._kept: dict[int, FileResult] = {}

    def __len__(self) -> int:
        return len(self.names)

    def set(self, result: FileResult, place: int | None) -> None:
        """Set a file's row.

        Args:
            result: the file's result.
            place: its position in the journal; None if the journal could not be written, and the
                result is kept in memory.
        """
        number = self._numbers[result.filename]
        self._labels[number] = result.label
        self._statuses[number] = _NUMBERS[result.status]
        self._places[number] = _NOWHERE if place is None else place
        self._kept.pop(number, None)
        if place is None:
            self._kept[number] = result

    def labels(self) -> Iterator[tuple[str, int]]:
        """The name and the label of every file, in their order."""
        return zip(self.names, self._labels, strict=True)

    def pending(self, name: str) -> bool:
        """Whether a file's row is provisional."""
        return _STATUSES[self._statuses[self._numbers[name]]] is Status.PENDING

    @property
    def provisional(self) -> int:
        """The number of provisional rows."""
        return self._statuses.count(_NUMBERS[Status.PENDING])

    @property
    def resumable(self) -> int:
        """The number of rows that a resumed run would keep from the journal."""
        final = bytes(_NUMBERS[status] for status in FINAL)
        noted = zip(self._statuses, self._places, strict=True)
        return sum(status in final and place != _NOWHERE for status, place in noted)

    def found(self, why: str) -> Iterator[int | FileResult]:
        """For every file, in order, its result or the result's position in the journal.

        Args:
            why: the reason given for provisional rows.
        """
        for number, name in enumerate(self.names):
            if number in self._kept:
                yield self._kept[number]
            elif self._places[number] != _NOWHERE:
                yield self._places[number]
            else:
                yield FileResult(filename=name, label=self.failure_label, error=why)
