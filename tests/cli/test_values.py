"""Sizes with units, shares, spans of time, files to write."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dfsubmit.cli import main
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


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "gone", "--labels", "gone", "--markdown"],
        ["evaluate", "gone", "--labels", "gone", "--plot"],
        ["compare", "gone", "--labels", "gone", "--csv"],
        ["compare", "gone", "--labels", "gone", "--plot"],
        ["stress", "gone", "--labels", "gone", "--model", "gone", "--markdown"],
        ["stress", "gone", "--labels", "gone", "--model", "gone", "--plot"],
        ["ledger", "export", "EXP-001", "--output"],
    ],
)
def test_an_output_that_is_no_regular_file_is_refused_before_all_else(
    tmp_path: Path, arguments: list[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = CliRunner().invoke(main, [*arguments, str(tmp_path / "pipe")])
    assert result.exit_code == 2
    assert "no regular file" in " ".join(result.output.split())
    assert "gone" not in result.output
