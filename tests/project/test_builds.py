"""What `python -m build` makes of each project, and that it works where there is no clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from dfsubmit import __version__

pytest.importorskip("build", reason="needs the bundle extra")

ROOT = Path(__file__).resolve().parents[2]
MODEL = Path("models", "tiny-vit-demo")

pytestmark = pytest.mark.slow


def _build(project: Path, folder: Path) -> Path:
    """The wheel of a copy of a project, made by way of its sdist, as a release is."""
    copy, output = folder / "project", folder / "dist"
    ignored = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
    copy.mkdir(parents=True)
    for item in project.iterdir():
        if item.is_file():
            shutil.copy(item, copy)
        elif item.name.startswith("dfsubmit") and item.suffix != ".egg-info":
            shutil.copytree(item, copy / item.name, ignore=ignored)
    if (project / MODEL).is_dir():
        shutil.copytree(project / MODEL, copy / MODEL)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", output, copy],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    wheel, sdist = sorted(output.iterdir(), key=lambda path: path.suffix, reverse=True)
    assert sdist.name.endswith(f"-{__version__}.tar.gz")
    return wheel


@pytest.mark.parametrize(
    "plugin", sorted(ROOT.glob("plugins/*/setup.cfg")), ids=lambda path: path.parent.name
)
def test_a_plugin_builds(plugin: Path, tmp_path: Path) -> None:
    wheel = _build(plugin.parent, tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    package = plugin.parent.name.replace("-", "_")
    assert f"{package}/__init__.py" in names
    assert f"{package}/py.typed" in names
    assert not [name for name in names if name.startswith("tests/")]


def test_the_wheel_runs_outside_of_a_clone(tmp_path: Path) -> None:
    pytest.importorskip("skimage", reason="needs the demo extra")
    wheel = _build(ROOT, tmp_path)
    home = tmp_path / "environment"
    venv.create(home)
    bin_folder = home / ("Scripts" if os.name == "nt" else "bin")
    python = bin_folder / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    # As from an index, but without a network: only the wheel is new; what it requires is found in
    # this environment's site-packages (whose own .pth files, the clone's, a .pth does not open).
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    site = next(home.rglob("site-packages"))
    (site / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    work = tmp_path / "work"
    work.mkdir()

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [bin_folder / "dfsubmit", *arguments],
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert call("--version").stdout.strip().endswith(__version__)
    assert call("samples", "data").returncode == 0
    done = call("run", "data", "--model", MODEL.name, "--max-failures", "100%")
    assert done.returncode == 0, done.stderr
    rows = (work / "submission.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + len(list((work / "data").iterdir()))
    assert call("check", "submission.csv", "--data", "data").returncode == 0
