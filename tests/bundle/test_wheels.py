"""Wheels: built from source, repacked from an installation, copied; pure Python only."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dfsubmit.bundle.package.wheels import make_wheel, own_wheel, required
from dfsubmit.errors import DfsubmitError, UsageError

pytest.importorskip("build", reason="needs the bundle extra")


def test_own_wheel_names_the_requirements_but_not_the_extras(tmp_path: Path) -> None:
    wheel, produced = own_wheel(tmp_path)
    assert produced.startswith("built from the clone at ")
    names = [line.split(">")[0] for line in required(wheel)]
    assert "dlib-bin" in names
    assert "nbclient" not in names


def test_a_repacked_wheel_installs_and_imports(tmp_path: Path) -> None:
    wheel, produced = make_wheel("pluggy", tmp_path)
    assert produced == "repacked from the installed pluggy"
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, "--target", str(target), str(wheel)], check=True)
    code = f"import sys; sys.path.insert(0, {str(target)!r}); import pluggy; print(pluggy.__file__)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith(str(target)), done.stderr


def test_a_repacked_wheel_leaves_scripts_and_pips_notes_behind(tmp_path: Path) -> None:
    wheel, _ = make_wheel("pytest", tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.startswith("..") or name.endswith("INSTALLER")]
    assert sum(name.endswith("/RECORD") for name in names) == 1


def test_a_wheel_is_copied(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    wheel, _ = make_wheel("pluggy", tmp_path / "from")
    copy, produced = make_wheel(str(wheel), tmp_path / "to")
    assert copy.read_bytes() == wheel.read_bytes()
    assert produced == f"copy of {wheel.name}"


def test_a_wheel_with_compiled_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not pure Python"):
        make_wheel("numpy", tmp_path)


def test_what_is_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not installed"):
        make_wheel("no-such-distribution-here", tmp_path)


def test_a_project_that_does_not_build_says_why(tmp_path: Path) -> None:
    project = tmp_path / "broken"
    project.mkdir()
    (project / "pyproject.toml").write_text("[project]\nname = 3\n")
    (tmp_path / "out").mkdir()
    with pytest.raises(DfsubmitError, match="cannot be built"):
        make_wheel(str(project), tmp_path / "out")


def test_nothing_is_written_into_the_project(tmp_path: Path) -> None:
    project = tmp_path / "clean"
    (project / "clean").mkdir(parents=True)
    (project / "clean" / "__init__.py").write_text("")
    (project / "build" / "lib" / "clean").mkdir(parents=True)
    (project / "build" / "lib" / "clean" / "stale.py").write_text("")
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools>=68"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "clean"\nversion = "1"\n[tool.setuptools]\npackages = ["clean"]\n'
    )
    before = sorted(project.rglob("*"))
    (tmp_path / "out").mkdir()
    wheel, _ = make_wheel(str(project), tmp_path / "out")
    assert sorted(project.rglob("*")) == before
    with zipfile.ZipFile(wheel) as archive:
        assert "clean/stale.py" not in archive.namelist()
