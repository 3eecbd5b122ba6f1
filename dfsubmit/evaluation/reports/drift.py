"""A `Drift` as text and JSON."""

from __future__ import annotations

from typing import Any

from dfsubmit.console import paragraph
from dfsubmit.evaluation.drift import Drift
from dfsubmit.evaluation.reports.tables import jsonable, number
from dfsubmit.evaluation.statistics.twosample import PERMUTATIONS

_QUIET = (
    "Nothing was found. That is no promise: fakes of a new kind may look to the model like the "
    "real faces that it knows."
)
_RAISED = (
    "The figures of the reference may not hold for these files. What differs is not said: light, "
    "format, people or the share of fakes; the share is not estimated."
)


def as_text(drift: Drift) -> str:
    """For the terminal."""
    apart = drift.told_apart
    there, here = apart.rows
    finding = (
        f"drift alarm: {'quiet' if drift.quiet else 'RAISED'}. A classifier on the model's "
        f"features tells {here} of these files from {there} of the reference with AUC "
        f"{number(apart.auc)} (0.5: not at all), p {number(apart.p)} ({PERMUTATIONS} permutations)."
    )
    lines = [finding, _QUIET if drift.quiet else _RAISED]
    if drift.share is not None:
        value, (low, high) = drift.share
        lines.append(
            f"Share of fakes here, if the model's probabilities are calibrated: "
            f"{number(value, 2)}, 95 % interval {number(low, 2)} to {number(high, 2)}. The same "
            f"probabilities say {number(drift.reference_share, 2)} of the reference: where that is "
            "known to be wrong, so is this."
        )
    lines.append("No label was looked at, and none was changed.")
    return paragraph("\n".join(lines))


def as_json(drift: Drift) -> dict[str, Any]:
    """Plain JSON types, what is not known as None."""
    value, interval = drift.share or (None, None)
    return dict(
        jsonable(
            {
                "quiet": drift.quiet,
                "auc": drift.told_apart.auc,
                "p": drift.told_apart.p,
                "files": {"reference": drift.told_apart.rows[0], "run": drift.told_apart.rows[1]},
                "share_of_fakes": value,
                "share_of_fakes_ci": interval,
                "reference_share_of_fakes": drift.reference_share,
            }
        )
    )
