"""A finished run → its exit code, and the line that says why it is not 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dfsubmit.console import counted
from dfsubmit.errors import Exit
from dfsubmit.records import FileResult, Status


def verdict(
    results: Sequence[FileResult], meta: Mapping[str, Any], max_failures: float, fits: bool
) -> tuple[Exit, str]:
    """The exit code of a run that came to its end, and why; "" for code 0.

    Args:
        results: every file's row.
        meta: the run's metadata.
        max_failures: the share of failed files, 0 to 1, above which the code is 3.
        fits: whether the data folder still holds the files that the rows are about.
    """
    code, reason = _verdict(results, meta, max_failures, fits)
    return code, f"{reason}: exit code {int(code)}" if reason else ""


def _verdict(
    results: Sequence[FileResult], meta: Mapping[str, Any], max_failures: float, fits: bool
) -> tuple[Exit, str]:
    if not fits:
        return Exit.FAILED_CHECK, "the rows do not fit the data folder, which changed meanwhile"
    scored = [result for result in results if result.status is Status.OK]
    if scored and all(result.aggregator_fallback for result in scored):
        return Exit.FAILED_CHECK, (
            f"the aggregator {meta['aggregator']} failed on every scored file, "
            "so that the labels are the mean's"
        )
    failed = sum(result.status is not Status.OK for result in results)
    if results and failed / len(results) > max_failures:
        share = f"({100 * failed / len(results):.3g} %)"
        return Exit.TOO_MANY_FAILURES, (
            f"{failed} of {counted(len(results), 'file')} failed {share}, "
            f"more than --max-failures {100 * max_failures:.3g} %"
        )
    if meta["fallback_reason"]:
        return Exit.FALLBACK_USED, f"the fallback model {meta['model']['name']} was used"
    return Exit.OK, ""
