"""The end of a run with ``--precision cascade``: which labels are in doubt, and what to report.

The margin grows during a run, and some files are finished before it has grown. In: the margin at
the end, and all results. Out: the files to score again in fp32, and the entry for the metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from dfsubmit.hooks.execution import Scored
from dfsubmit.records import FileResult, MediaFile, Status
from dfsubmit.scoring.cascade import is_audited
from dfsubmit.scoring.margin import CONFIDENCE, Margin
from dfsubmit.scoring.rows import RowMaker

NAMED = 10
"""The number of files that the metadata name as examples."""


@runtime_checkable
class ScoresExactly(Protocol):
    """A `Scorer` that can do precision "cascade"."""

    def margin_report(self) -> dict[str, Any]:
        """`Cascade.report`, at the end of `Scorer.score`."""
        ...

    def score_exactly(
        self,
        files: Iterable[MediaFile],
        keep: Callable[[MediaFile], int | None],
        should_stop: Callable[[], bool],
    ) -> Scored:
        """As `Scorer.score`, in the exact precision."""
        ...


class Settling:
    """The labels of a run whose files are all scored.

    Args:
        rows: of the run.
        report: `Cascade.report`.
        results: reads the results of all files.
    """

    def __init__(
        self,
        rows: RowMaker,
        report: Mapping[str, Any],
        results: Callable[[], Iterable[FileResult]],
    ) -> None:
        self._report = report
        self._results = results
        self._margin = Margin(rows)
        self._margin.take_over(report)
        # A resumed run has files scored in both that this run's margin was not learned from.
        for result in results():
            if result.quick is not None:
                self._margin.learn(result)

    def unsettled(self) -> set[str]:
        """The names of the files whose label may differ from fp32's."""
        return {
            result.filename
            for result in self._results()
            if result.status is Status.OK
            and result.precision != self._report["exact"]
            and not self._margin.settles(result)
        }

    def describe(self, scored_again: int, unsettled: int) -> dict[str, Any]:
        """The run's entry in the metadata, as plain JSON types.

        Args:
            scored_again: how many of the unsettled files were scored again.
            unsettled: how many were not.
        """
        margin, seed = self._margin, self._report["seed"]
        count = dict.fromkeys(("quick", "exact", "partly", "both", "audited"), 0)
        changed = []
        for result in self._results():
            if result.quick is None:
                scored = result.status is Status.OK
                count["quick"] += scored and result.precision != self._report["exact"]
                count["exact"] += scored and result.precision == self._report["exact"]
                continue
            count["partly" if result.estimated else "both"] += 1
            if is_audited(result.filename, seed):
                count["audited"] += 1
                if margin.quick_label(result) != result.label:
                    changed.append(result.filename)
        return {
            "quick": self._report["quick"],
            "exact": self._report["exact"],
            "quick_seconds": self._report["quick_seconds"],
            "exact_seconds": self._report["exact_seconds"],
            "confidence": CONFIDENCE,
            "margin_of": "logit of a frame" if margin.monotone else "aggregate",
            **margin.ends(),
            "files": count,
            "audit_seed": seed,
            "audit_changed": len(changed),
            "audit_changed_files": changed[:NAMED],
            "scored_again": scored_again,
            "unsettled": unsettled,
        }


def merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One entry of `Settling.describe` for several parts: the widest margin, and the
    sums of all counts."""
    ends = {
        end: None if None in (values := [part[end] for part in parts]) else widest(values)
        for end, widest in (("low", min), ("high", max), ("rest_low", min), ("rest_high", max))
    }
    sums = ("scored_again", "audit_changed", "unsettled")
    named = [name for part in parts for name in part["audit_changed_files"]]
    return {
        **parts[0],
        **ends,
        **{key: sum(part[key] for part in parts) for key in sums},
        "files": {kind: sum(part["files"][kind] for part in parts) for kind in parts[0]["files"]},
        "audit_changed_files": named[:NAMED],
    }
