"""dfsubmit: deepfake-detection competition submissions with plugin aggregators.

The public API, imported on first use so that ``import dfsubmit`` stays fast::

    from dfsubmit import run, RunOptions, Recipe, validate_submission, hookimpl
"""

import os
import sys

from dfsubmit._version import __version__

# `python -m dfsubmit` puts the current folder first on sys.path. Where that is the data folder, a
# file called typing.py there would be run; so nothing else is imported before it is taken off, not
# even `__future__`. docs/reliability.md names what Python itself has imported by now.
_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_KEEPS_TO_ITSELF = getattr(sys.flags, "safe_path", sys.flags.isolated)
# Python writes "-m" for as long as it looks for the module. Where the current folder is dfsubmit's
# home, the clone, dfsubmit itself is imported from it.
if sys.argv[:1] == ["-m"] and not _KEEPS_TO_ITSELF:
    try:
        _IS_HERE = sys.path[:1] == [os.getcwd()] != [_HOME]
    except OSError:  # the current folder was removed: Python has not put it there
        _IS_HERE = False
    if _IS_HERE:
        del sys.path[0]

TYPE_CHECKING = False  # as in `typing`, which is not imported here
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


def __getattr__(name: str) -> object:
    import importlib

    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'dfsubmit' has no attribute {name!r}")
