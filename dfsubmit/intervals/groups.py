"""Groups of files, and whether there are enough groups for an interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dfsubmit.records import IntArray

FEW_GROUPS = 10
"""With fewer groups intervals are not reliable: the scatter between groups is hardly known."""


def group_numbers(groups: Sequence[str]) -> IntArray:
    """int64 (n,): a number for each group; a file without one ("") is a group of its own."""
    numbers: dict[object, int] = {}
    keys: list[object] = [group or row for row, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def few_groups(groups: int) -> str:
    """What to print beside intervals on this many groups: "too few groups (6)", or ""."""
    return f"too few groups ({groups})" if groups < FEW_GROUPS else ""
