"""A `Forecast` as lines and a table, and as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from dfsubmit.evaluation.forecast import Forecast
from dfsubmit.evaluation.reports.tables import number, span

HEADER = ("fakes", "macro F1", "95 % of hidden sets")


def headline(forecast: Forecast) -> str:
    """What a hidden set of files like the labelled ones will show."""
    return (
        f"Of {forecast.hidden} hidden files like these, at the same share of fakes, macro F1 lies "
        f"in {span(*forecast.interval)} in 95 of 100 cases."
    )


def rates(forecast: Forecast) -> str:
    """What the table by shares of fakes stands on."""
    true, false = number(forecast.true_positive_rate), number(forecast.false_positive_rate)
    return (
        f"At other shares of fakes, if the true positive rate {true} and the false positive rate "
        f"{false} stay:"
    )


def rows(forecast: Forecast) -> list[list[str]]:
    """The table's cells, under `HEADER`."""
    return [
        [f"{row.share:.0%}", number(row.macro_f1), span(*row.interval)]
        for row in forecast.at_shares
    ]


def as_line(forecast: Forecast) -> str:
    """All of it in one line."""
    shares = "; ".join(f"{f1} {interval} at {share}" for share, f1, interval in rows(forecast))
    return (
        f"{span(*forecast.interval)} on {forecast.hidden} hidden files like these; {shares} fakes"
    )


def as_json(forecast: Forecast | None) -> dict[str, Any] | None:
    """Plain JSON types."""
    return None if forecast is None else dataclasses.asdict(forecast)
