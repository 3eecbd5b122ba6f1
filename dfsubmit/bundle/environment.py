"""A fresh virtual environment like the server's: its Python, where one is found, and its packages.

In: a folder. Out: an `Environment`, with everything in it that differs from the server named.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dfsubmit.bundle.pins import PYTHON, SERVER, TORCH
from dfsubmit.errors import DfsubmitError

TORCH_VARIABLE = "TORCH"


@dataclass(frozen=True)
class Environment:
    """Attributes: the interpreter; what differs from the server, one line each."""

    python: Path
    substitutions: tuple[str, ...] = ()


def make_environment(folder: Path) -> Environment:
    """A virtual environment with the server's preinstalled set.

    ``TORCH`` in the environment may name a stand-in for torch 2.7.1, whose wheel has several GB.

    Raises:
        DfsubmitError: it cannot be made; the message has pip's last line.
    """
    base = find_python(PYTHON)
    substitutions = []
    if base is None:
        base = Path(sys.executable)
        version = ".".join(map(str, sys.version_info[:3]))
        substitutions.append(f"Python {version} for {PYTHON}, which was not found")
    torch = os.environ.get(TORCH_VARIABLE, "").strip() or TORCH
    if torch != TORCH:
        substitutions.append(f"{torch} for {TORCH}")
    _call([str(base), "-m", "venv", str(folder)])
    python = folder / "bin" / "python"
    # ipykernel stands for the server's own Jupyter.
    wanted = [torch, *(_for_this_python(pin, base) for pin in SERVER), "ipykernel"]
    substitutions += [f"{got} for {pin}" for pin, got in zip(SERVER, wanted[1:], strict=False) if got != pin]
    _call([str(python), "-m", "pip", "install", "--quiet", *wanted])
    return Environment(python, tuple(substitutions))
