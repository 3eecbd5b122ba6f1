"""`make demo` says what is wrong with the Python that it finds, before it makes anything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Stands for a Python: `make` asks it for its version, then for what it can import.
PYTHON = """#!/bin/sh
case "$*" in
  --version) echo "Python {version}";;
  *version_info*) exit {old};;
  *ensurepip*) exit {bare};;
  *) echo "was run: $*";;
esac
"""


def make(folder: Path, version: str = "", old: int = 0, bare: int = 0) -> tuple[int, str]:
    python = folder / "python"
    if version:
        python.write_text(PYTHON.format(version=version, old=old, bare=bare))
        python.chmod(0o755)
    done = subprocess.run(
        ["make", "-C", ROOT, "demo", f"PYTHON={python}", f"VENV={folder / 'venv'}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({}, "was not found; Python 3.10 or newer is needed, such as: make PYTHON=python3.12 demo"),
        ({"version": "3.8.10", "old": 1}, "error: Python 3.8.10 is too old; Python 3.10 or newer"),
        ({"version": "3.12.1", "bare": 1}, "has no venv with pip (Debian, Ubuntu: apt install"),
    ],
)
def test_an_unfit_python_is_named_first(
    tmp_path: Path, answers: dict[str, int | str], said: str
) -> None:
    code, output = make(tmp_path, **answers)  # type: ignore[arg-type]
    assert code != 0
    assert said in output
    assert "was run" not in output


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_a_fit_one_is_used(tmp_path: Path) -> None:
    _, output = make(tmp_path, "3.12.1")
    assert f"was run: -m venv {tmp_path / 'venv'}" in output
    assert "error:" not in output
