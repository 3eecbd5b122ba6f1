"""Progress on stderr."""

from __future__ import annotations

from typing import Any

from dfsubmit.console.streams import stderr


def progress_bar(total: int, unit: str, shown: bool = True, done: int = 0) -> Any:
    """A tqdm bar on stderr; a silent one when not `shown`.

    Args:
        total: how many units there are.
        unit: their name in the plural ("files").
        shown: whether to show it.
        done: how many of them are done already.
    """
    from tqdm import tqdm

    return tqdm(
        total=total, initial=done, unit=f" {unit}", disable=not shown, file=stderr(), delay=1
    )
