"""Commands for Python child processes that import nothing from the current folder.

``python -c`` and ``python -m`` look for modules in the current folder first, and that may be the
data folder: a file called json.py there would be run. Every child that the package starts gets its
command from here, or is another interpreter that is started with ``-I``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_HOME = str(Path(__file__).resolve().parents[1])


def python_command(code: str, *arguments: str) -> list[str]:
    """A command that runs code with this interpreter and its modules.

    It is started with ``-I`` and then given this process's ``sys.path``, without the current
    folder: whatever is installed here, for the user alone or through PYTHONPATH, is found there.

    Args:
        code: a program; ``sys`` is imported.
        arguments: its ``sys.argv[1:]``.
    """
    boot = f"import sys; sys.path[:] = sys.argv.pop(1).split({os.pathsep!r})\n{code}"
    return [sys.executable, "-I", "-c", boot, os.pathsep.join(_module_folders()), *arguments]


def _module_folders() -> list[str]:
    try:
        here = os.getcwd()
    except OSError:  # it was removed
        here = ""
    entries = [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str) and entry]
    return [*(entry for entry in entries if entry not in ("", here)), _HOME]
