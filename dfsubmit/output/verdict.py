"""A finished run → its exit code, and the reason if it is not 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfsubmit.console import counted
from dfsubmit.errors import Exit
from dfsubmit.output.tally import Tally


def verdict(
    tally: Tally, meta: Mapping[str, Any], max_failures: float, fits: bool
) -> tuple[Exit, str]:
    """The exit code of a finished run, and the reason; "" for code 0.

    Args:
        tally: over all rows.
        meta: the run's metadata.
        max_failures: the share of failed files, 0 to 1, above which the code is 3.
        fits: whether the data folder still has exactly the files of the rows.
    """
    code, reason = _verdict(tally, meta, max_failures, fits)
    return code, f"{reason}: exit code {int(code)}" if reason else ""


def _verdict(
    tally: Tally, meta: Mapping[str, Any], max_failures: float, fits: bool
) -> tuple[Exit, str]:
    if not fits:
        return Exit.FAILED_CHECK, "the rows do not fit the data folder, which changed meanwhile"
    if tally.scored and tally.aggregator_fallbacks == tally.scored:
        return Exit.FAILED_CHECK, (
            f"the aggregator {meta['aggregator']} failed on every scored file, "
            "so that the labels are the mean's"
        )
    failed, files = tally.failed, tally.files
    if files and failed / files > max_failures:
        share = f"({100 * failed / files:.3g} %)"
        return Exit.TOO_MANY_FAILURES, (
            f"{failed} of {counted(files, 'file')} failed {share}, "
            f"more than --max-failures {100 * max_failures:.3g} %"
        )
    if meta["fallback_reason"]:
        return Exit.FALLBACK_USED, f"the fallback model {meta['model']['name']} was used"
    return Exit.OK, ""
