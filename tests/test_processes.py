"""Children find what is installed, and nothing that lies in the current folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dfsubmit.processes import python_command


def test_a_child_has_this_processs_modules_and_not_the_current_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    for name in ("json", "pathlib", "click"):
        (here / f"{name}.py").write_text("raise SystemExit('this was run')")
    (there / "module_of_the_user.py").write_text("VALUE = 7")
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", ["", str(here), *sys.path, str(there)])
    code = "import json, pathlib, click, dfsubmit.records, module_of_the_user as m"
    command = python_command(f"{code}; print(m.VALUE, sys.argv[1:])", "a", "b c")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == "7 ['a', 'b c']\n"
