"""Sizes with units, shares, spans of time."""

from __future__ import annotations

import click
import pytest

from dfsubmit.cli.values import byte_size, share, span


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("1000", 1000), ("2GB", 2 * 1024**3), ("1.5 MiB", 1572864), ("3k", 3072)],
)
def test_sizes(text: str, expected: int) -> None:
    assert byte_size(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-1", "2XB", "1e3", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a size"):
        byte_size(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5%", 0.05), ("0.05", 0.05), ("1", 1.0), ("100%", 1.0), ("0", 0.0), (" 12.5% ", 0.125)],
)
def test_shares(text: str, expected: float) -> None:
    assert share(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "%", "five", "101%", "5", "-1%", "nan", "inf", "5 percent"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        share(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("600", 600),
        ("45s", 45),
        ("90m", 5400),
        ("3h", 10_800),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2H5M1S", 7501),
        ("0.5", 0.5),
    ],
)
def test_spans_of_time(text: str, seconds: float) -> None:
    assert span(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "h", "soon", "3d", "1h2h", "-5", "1.2.3h", ".", "nan", "inf", "0", "0h0m", "3 h"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        span(text)
