"""dfsubmit: deepfake-detection competition submissions with plugin aggregators.

The public face, imported on first use so that ``import dfsubmit`` stays light::

    from dfsubmit import run, RunOptions, Recipe, validate_submission, hookimpl
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dfsubmit._version import __version__

if TYPE_CHECKING:
    from dfsubmit.errors import DfsubmitError
    from dfsubmit.hooks import hookimpl
    from dfsubmit.options import RunOptions
    from dfsubmit.output.submission import validate_submission
    from dfsubmit.pipeline import run
    from dfsubmit.recipe import Recipe, load_recipe
    from dfsubmit.records import FileResult, FrameScores, Status

_HOMES = {
    "DfsubmitError": "dfsubmit.errors",
    "FileResult": "dfsubmit.records",
    "FrameScores": "dfsubmit.records",
    "Recipe": "dfsubmit.recipe",
    "RunOptions": "dfsubmit.options",
    "Status": "dfsubmit.records",
    "hookimpl": "dfsubmit.hooks",
    "load_recipe": "dfsubmit.recipe",
    "run": "dfsubmit.pipeline",
    "validate_submission": "dfsubmit.output.submission",
}

__all__ = [
    "DfsubmitError",
    "FileResult",
    "FrameScores",
    "Recipe",
    "RunOptions",
    "Status",
    "__version__",
    "hookimpl",
    "load_recipe",
    "run",
    "validate_submission",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'dfsubmit' has no attribute {name!r}")
