"""Check whether the data folder has changed since the run listed it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dfsubmit.errors import UsageError
from dfsubmit.files import answer_within
from dfsubmit.output.submission import compare_with_folder
from dfsubmit.shards import Shard


def what_changed(
    names: Iterable[str], data: str | Path, shard: Shard | None, seconds: float
) -> tuple[bool, str]:
    """Compare the rows with the folder's files.

    Args:
        names: the rows' file names.
        data: the folder.
        shard: the part of the files that the rows are for; None for all of them.
        seconds: the time to wait for the listing, since a lost disk must not prevent writing the
            rows.

    Returns:
        (whether they match, a warning for the user or "").
    """
    fits = True
    try:
        changes = answer_within(seconds, lambda: compare_with_folder(names, data, shard))
        fits = not changes
        problem = "; ".join(changes)
    except UsageError as error:
        fits, problem = False, error.message
    except TimeoutError:
        problem = f"it did not answer for {seconds:g} s"
    if not problem:
        return fits, ""
    return fits, (
        f"the data folder is not as it was when the run began: {problem}. "
        "'dfsubmit check' says whether the submission fits; the same command makes it fit"
    )
