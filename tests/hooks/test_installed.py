"""A plugin that pip has installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = """
from dfsubmit import hookimpl

@hookimpl
def register_aggregators(register):
    register("pip_rule", lambda scores, k=2: float(scores.p_fake.max()))
"""


@pytest.mark.slow
def test_a_pip_installed_plugin_shows_up_in_the_command(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "setup.py").write_text(
        "from setuptools import setup\n"
        "setup(name='dfsubmit-pip-test', version='0.7', py_modules=['pip_tested'],\n"
        "      entry_points={'dfsubmit': ['pip_tested = pip_tested']})\n"
    )
    (project / "pip_tested.py").write_text(PLUGIN)
    site = tmp_path / "site"
    builder = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--no-build-isolation", "--target", str(site), str(project)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert builder.returncode == 0, builder.stderr
    listing = subprocess.run(
        [sys.executable, "-m", "dfsubmit", "plugins"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
        env={"PYTHONPATH": f"{site}:{Path(__file__).resolve().parents[2]}"},
    ).stdout  # fmt: skip
    assert "dfsubmit-pip-test 0.7 (installed): ok" in listing
    assert "pip_rule:k=2  (dfsubmit-pip-test)" in listing
