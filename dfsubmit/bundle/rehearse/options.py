"""`RehearsalOptions`: what is rehearsed, on what, and under which limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dfsubmit.bundle.rehearse.watching import Limits
from dfsubmit.bundle.upload import MAX_SIZE


@dataclass(frozen=True)
class RehearsalOptions:
    """How to rehearse.

    Attributes:
        bundle: the bundle's folder.
        data: a folder of media; those in its subfolders are laid flat.
        labels: a CSV ``filename,label`` to score the result with, or None.
        fresh: make a virtual environment; otherwise the present one runs the notebook, and its
            installing cells are skipped.
        limits: time, memory and CPUs.
        expected_files: the number of files to forecast time and macro F1 for: about what a hidden
            test set holds, whose true number is not published.
        max_size: bytes that the bundle may have.
        max_failures: the share of files that may fail.
    """

    bundle: Path
    data: Path
    labels: Path | None = None
    fresh: bool = True
    limits: Limits = field(default_factory=Limits)
    expected_files: int = 1500
    max_size: int = MAX_SIZE
    max_failures: float = 0.05
