"""A fresh virtual environment like the server's: its Python version, if found, and its packages.

In: a folder. Out: an `Environment`, with a list of the differences from the server.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dfsubmit.bundle.pins import PYTHON, SERVER, TORCH, project
from dfsubmit.bundle.variables import child_environment
from dfsubmit.errors import DfsubmitError

TORCH_VARIABLE = "TORCH"


@dataclass(frozen=True)
class Environment:
    """Attributes: the interpreter; what differs from the server, one line each."""

    python: Path
    substitutions: tuple[str, ...] = ()


PRESENT = Environment(Path(sys.executable), ("the present environment for a fresh one",))
"""The environment that this process runs in."""


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
    _call([str(base), "-I", "-m", "venv", str(folder)])
    python = folder / "bin" / "python"
    # numpy 1.26 and scikit-learn 1.3 have no wheels for Python 3.13 and later.
    pinned = _version(base) < (3, 13)
    server = SERVER if pinned else tuple(project(pin) for pin in SERVER)
    substitutions += [
        f"{got} for {pin}" for pin, got in zip(SERVER, server, strict=True) if got != pin
    ]
    # ipykernel stands for the server's own Jupyter.
    _call([str(python), "-I", "-m", "pip", "install", "--quiet", torch, *server, "ipykernel"])
    return Environment(python, tuple(substitutions))


def find_python(version: str) -> Path | None:
    """A working interpreter of that version ("3.10"), or None.

    Looked for on the path and among pyenv's. A shim that leads nowhere does not count.
    """
    on_path = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [Path(on_path)] if on_path else []
    candidates += sorted(pyenv.glob(f"{version}.*/bin/python"))
    wanted = tuple(int(part) for part in version.split("."))
    return next((path for path in candidates if _version(path) == wanted), None)


def _version(python: Path) -> tuple[int, ...]:
    """(major, minor), or () when it does not run."""
    code = "import sys; print(*sys.version_info[:2])"
    done = _run([str(python), "-I", "-c", code])
    return tuple(int(part) for part in done.stdout.split()) if done.returncode == 0 else ()


def versions(python: Path) -> dict[str, str]:
    """Every installed distribution's exact version, and Python's."""
    code = (
        "import importlib.metadata as metadata, json, platform\n"
        "named = {item.metadata['Name']: item.version for item in metadata.distributions()}\n"
        "print(json.dumps({'python': platform.python_version(), **named}))"
    )
    done = _run([str(python), "-I", "-c", code])
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=child_environment(network=True),
        capture_output=True,
        text=True,
        check=False,
    )


def _call(command: list[str]) -> None:
    done = _run(command)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        lines = [line for line in said if not line.startswith("WARNING")]
        reasons = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        reason = reasons[0] if reasons else f"exit code {done.returncode}"
        shown = [part for part in command if part != "-I"][:4]
        raise DfsubmitError(f"{' '.join(shown)} … failed: {reason}")
