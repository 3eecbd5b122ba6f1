"""Wheels: built from source or copied; pure Python only."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dfsubmit._version import __version__
from dfsubmit.bundle.package.wheels import own_wheel, plugin_wheel, required
from dfsubmit.errors import DfsubmitError, UsageError

pytest.importorskip("build", reason="needs the bundle extra")

pytestmark = pytest.mark.slow


def test_own_wheel_names_the_requirements_but_not_the_extras(tmp_path: Path) -> None:
    wheel, produced = own_wheel(tmp_path)
    assert produced.startswith("built from the clone at ")
    names = [line.split(">")[0] for line in required(wheel)]
    assert "dlib-bin" in names
    assert "nbclient" not in names


def test_own_wheel_is_asked_for_where_there_is_no_clone(tmp_path: Path) -> None:
    built, _ = own_wheel(tmp_path)
    # As an installed package: no setup.cfg beside it.
    with zipfile.ZipFile(built) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import sys, dfsubmit; from pathlib import Path\n"
        "from dfsubmit.bundle.package.wheels import own_wheel\n"
        "print(own_wheel(Path(sys.argv[1]), *sys.argv[2:])[1])"
    )
    (tmp_path / "out").mkdir()

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "out"), *arguments],
            cwd=tmp_path / "site",
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
            capture_output=True,
            text=True,
            check=False,
        )

    assert "UsageError: dfsubmit is installed here without its project's folder" in call().stderr
    assert call(str(built)).stdout == f"copy of {built.name}\n"


def test_the_small_model_of_a_released_wheel_stays_out_of_a_bundle(tmp_path: Path) -> None:
    released = tmp_path / f"dfsubmit-{__version__}-py3-none-any.whl"
    record = f"dfsubmit-{__version__}.dist-info/RECORD"
    with zipfile.ZipFile(released, "w") as archive:
        archive.writestr("dfsubmit/__init__.py", "code")
        archive.writestr("dfsubmit/_models/tiny/model.safetensors", "weights")
        archive.writestr(
            record, "dfsubmit/__init__.py,,\ndfsubmit/_models/tiny/model.safetensors,,\n"
        )
    (tmp_path / "out").mkdir()
    wheel, _ = own_wheel(tmp_path / "out", str(released))
    with zipfile.ZipFile(wheel) as archive:
        assert archive.namelist() == ["dfsubmit/__init__.py", record]
        assert archive.read(record) == b"dfsubmit/__init__.py,,\n"


def test_own_wheel_of_another_version_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "dfsubmit-0.0.1-py3-none-any.whl"
    other.write_bytes(b"")
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match=r"--dfsubmit: dfsubmit-0\.0\.1-.*runs here"):
        own_wheel(tmp_path / "out", str(other))


def test_a_wheel_is_copied(tmp_path: Path) -> None:
    wheel = tmp_path / "own-1-py3-none-any.whl"
    wheel.write_bytes(b"as it is")
    (tmp_path / "to").mkdir()
    copy, produced = plugin_wheel(str(wheel), tmp_path / "to")
    assert copy.read_bytes() == wheel.read_bytes()
    assert produced == f"copy of {wheel.name}"


def test_a_wheel_with_compiled_code_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "fast-1-cp311-cp311-linux_x86_64.whl"
    wheel.write_bytes(b"")
    (tmp_path / "to").mkdir()
    with pytest.raises(UsageError, match="not pure Python"):
        plugin_wheel(str(wheel), tmp_path / "to")


@pytest.mark.parametrize("origin", ["pytest", "no-such-distribution-here", "."])
def test_what_is_neither_a_project_nor_a_wheel_is_asked_for(
    origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of something installed among them: its files need not be all of its wheel."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UsageError, match=f"--plugin {re.escape(origin)}: neither a wheel"
    ) as caught:
        plugin_wheel(origin, tmp_path)
    assert f"pip wheel --no-deps {origin}" in caught.value.hint


def test_a_link_out_of_a_project_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "plugin"
    (project / "inner").mkdir(parents=True)
    (project / "pyproject.toml").touch()
    (tmp_path / "secret.txt").touch()
    (project / "inner" / "notes.txt").symlink_to("../../secret.txt")
    with pytest.raises(UsageError, match=r"notes\.txt is a link out of the project's folder"):
        plugin_wheel(str(project), tmp_path)


def test_a_project_that_does_not_build_says_why(tmp_path: Path) -> None:
    project = tmp_path / "broken"
    project.mkdir()
    (project / "pyproject.toml").write_text("[project]\nname = 3\n")
    (tmp_path / "out").mkdir()
    with pytest.raises(DfsubmitError, match="cannot be built"):
        plugin_wheel(str(project), tmp_path / "out")


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
    wheel, _ = plugin_wheel(str(project), tmp_path / "out")
    assert sorted(project.rglob("*")) == before
    with zipfile.ZipFile(wheel) as archive:
        assert "clean/stale.py" not in archive.namelist()
