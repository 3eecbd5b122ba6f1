"""Counts over many results, added one by one. Only a few file names are kept."""

from __future__ import annotations

import bisect
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dfsubmit.records import FileResult, Status

SHOWN = 10


@dataclass
class Tally:
    """Counts over results, independent of their order.

    Attributes:
        rows: their number by (status, label).
        seconds: by stage.
        aggregator_fallbacks, thinned: numbers of such files.
        frames_classified, frames_skipped: sums over all files.
        failed, damaged: numbers of files that failed, and of files read although damaged.
        failures, damages: a line for each of the first `SHOWN` of them by name.
    """

    rows: Counter[tuple[Status, int]] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    aggregator_fallbacks: int = 0
    thinned: int = 0
    frames_classified: int = 0
    frames_skipped: int = 0
    failed: int = 0
    damaged: int = 0
    _failures: list[tuple[bytes, str]] = field(default_factory=list)
    _damages: list[tuple[bytes, str]] = field(default_factory=list)
    _fallbacks: list[tuple[bytes, str]] = field(default_factory=list)

    @classmethod
    def of(cls, results: Iterable[FileResult]) -> Tally:
        """The tally of these results."""
        tally = cls()
        for result in results:
            tally.add(result)
        return tally

    def add(self, result: FileResult) -> None:
        """Add the result of one file."""
        self.rows[result.status, result.label] += 1
        self.seconds.update(result.seconds)
        self.aggregator_fallbacks += result.aggregator_fallback
        self.thinned += result.thinned
        self.frames_classified += len(result.frames)
        self.frames_skipped += result.frames_skipped
        if result.status is not Status.OK:
            self.failed += 1
            line = f"{result.status.value}: {result.filename}: {result.error}"
            _keep_first(self._failures, result.filename, line)
        if result.aggregator_fallback:
            _keep_first(self._fallbacks, result.filename, f"{result.filename}: {result.error}", 1)
        if result.note:
            self.damaged += 1
            _keep_first(self._damages, result.filename, f"{result.filename}: {result.note}")

    @property
    def files(self) -> int:
        """The number of files."""
        return sum(self.rows.values())

    @property
    def scored(self) -> int:
        """The number of files that did not fail."""
        return self.with_status(Status.OK)

    @property
    def first_fallback(self) -> str:
        """The first file, by name, on which the aggregator failed, and the reason; "" for none."""
        return self._fallbacks[0][1] if self._fallbacks else ""

    @property
    def failures(self) -> list[str]:
        return [line for _, line in self._failures]

    @property
    def damages(self) -> list[str]:
        return [line for _, line in self._damages]

    def statuses(self) -> dict[str, int]:
        """The number of files of each status that occurs, in the order of `Status`."""
        counts = {status.value: self.with_status(status) for status in Status}
        return {name: count for name, count in counts.items() if count}

    def with_status(self, status: Status) -> int:
        """The number of files of a status."""
        return sum(count for (found, _), count in self.rows.items() if found is status)

    def with_label(self, label: int, status: Status | None = None) -> int:
        """The number of files of a label; of one status, or of all."""
        return sum(
            count
            for (found, given), count in self.rows.items()
            if given == label and status in (None, found)
        )


def _keep_first(lines: list[tuple[bytes, str]], name: str, line: str, count: int = SHOWN) -> None:
    bisect.insort(lines, (os.fsencode(name), line))
    del lines[count:]
