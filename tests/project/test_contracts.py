"""The contracts between the rooms, from setup.cfg: the tree keeps them, a breach is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The package and its contracts, in a folder where a test may break them."""
    pytest.importorskip("importlinter", reason="needs the dev extra")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "dfsubmit", tmp_path / "dfsubmit", ignore=ignored)
    shutil.copy(REPOSITORY / "setup.cfg", tmp_path)
    return tmp_path


def _check(folder: Path) -> tuple[int, str]:
    """Exit code and output of ``lint-imports`` in `folder`, which it imports from."""
    code = "from importlinter.cli import lint_imports_command as main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=folder, capture_output=True, text=True
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def _append(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")


def test_the_tree_keeps_its_contracts(copied: Path) -> None:
    code, output = _check(copied)
    assert code == 0, output
    assert "0 broken" in output


@pytest.mark.parametrize(
    ("module", "line", "breach"),
    [
        (
            "media/sampling.py",
            "from dfsubmit.pipeline import run",
            "dfsubmit.media is not allowed to import dfsubmit.pipeline",
        ),
        (
            "errors.py",
            "def later(): import dfsubmit.records",
            "dfsubmit.errors is not allowed to import dfsubmit.records",
        ),
        (
            "hooks/hookspecs.py",
            "def later(): import torch",
            "dfsubmit.hooks is not allowed to import torch",
        ),
        (
            "cli/check.py",
            "from dfsubmit.pipeline import run",
            "dfsubmit.cli is not allowed to import cv2",
        ),
    ],
)
def test_a_breach_is_named(copied: Path, module: str, line: str, breach: str) -> None:
    _append(copied / "dfsubmit" / module, line)
    code, output = _check(copied)
    assert code != 0
    assert breach in output


def test_a_new_module_needs_a_layer(copied: Path) -> None:
    (copied / "dfsubmit" / "somewhere.py").write_text('"""New."""\n')
    code, output = _check(copied)
    assert code != 0
    assert "somewhere" in output
