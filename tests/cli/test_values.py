"""Sizes with units."""

from __future__ import annotations

import click
import pytest

from dfsubmit.cli.values import byte_size


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
