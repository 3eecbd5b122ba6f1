"""Wheels for a bundle: built from a project's folder, or copied.

In: a project's folder or a wheel. Out: one wheel in a folder. The source is copied before it is
built, so that nothing is written into the clone and no stale ``build/`` gets into the wheel.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path

from dfsubmit._version import __version__
from dfsubmit.bundle.variables import child_environment
from dfsubmit.errors import DfsubmitError, NotInstalled, UsageError
from dfsubmit.processes import python_command

# Zip archives know no date before 1980; a fixed one makes equal sources give equal wheels.
_EPOCH = "315532800"
_LEFT_OUT = (
    "build",
    "dist",
    "*.egg-info",
    ".*",
    "__pycache__",
    "models",
    "tests",
    "docs",
    "plugins",
)
_MODELS = "dfsubmit/_models/"
_BUILD = "import runpy; runpy.run_module('build', run_name='__main__', alter_sys=True)"
_BUILD_FILES = ("pyproject.toml", "setup.py")


def plugin_wheel(origin: str, output: Path) -> tuple[Path, str]:
    """A plugin's wheel in `output`, and what produced it, for people.

    Args:
        origin: a wheel's path, or a project's folder.
        output: an existing folder.

    Raises:
        UsageError: `origin` is neither, or the wheel is not pure Python.
        DfsubmitError: the build failed, with the end of its output.
    """
    return _wheel(
        origin, output, f"--plugin {origin}", f"'pip wheel --no-deps {origin}' makes the wheel"
    )


def own_wheel(output: Path, origin: str | None = None) -> tuple[Path, str]:
    """dfsubmit's wheel in `output`, and what produced it.

    Args:
        output: an existing folder.
        origin: a wheel's path, or a project's folder; None takes the clone that this code runs in.

    Raises:
        UsageError: there is no such clone, `origin` is neither, or is another version.
        DfsubmitError: the build failed, with the end of its output.
    """
    if origin is not None:
        wheel, produced = _wheel(origin, output, f"--dfsubmit {origin}", "")
        if not wheel.name.startswith(f"dfsubmit-{__version__}-"):
            raise UsageError(f"--dfsubmit: {wheel.name}, but dfsubmit {__version__} runs here")
        _remove_models(wheel)
        return wheel, produced
    clone = Path(__file__).resolve().parents[3]
    if not ((clone / "setup.cfg").is_file() and (clone / "pyproject.toml").is_file()):
        raise UsageError(
            "dfsubmit is installed here without its project's folder: its wheel cannot be built",
            "give the folder or the wheel: --dfsubmit DIR|WHEEL",
        )
    return _build(clone, output), f"built from the clone at {_commit(clone)}"


def _wheel(origin: str, output: Path, option: str, hint: str) -> tuple[Path, str]:
    path = Path(origin)
    if path.suffix == ".whl" and path.is_file():
        wheel, produced = Path(shutil.copy(path, output)), f"copy of {path.name}"
    elif any((path / name).is_file() for name in _BUILD_FILES):
        wheel, produced = _build(path, output), f"built from {path.resolve().name}/"
    else:
        raise UsageError(
            f"{option}: neither a wheel nor a project's folder with a pyproject.toml or setup.py",
            hint,
        )
    if not wheel.name.endswith("-none-any.whl"):
        raise UsageError(f"{wheel.name} is not pure Python: it may not install on the server")
    return wheel, produced


def _remove_models(wheel: Path) -> None:
    """Take the small model out of a released wheel: a bundle holds one model, the one it is for."""
    with zipfile.ZipFile(wheel) as archive:
        files = {item: archive.read(item) for item in archive.infolist()}
    kept = {item: files[item] for item in files if not item.filename.startswith(_MODELS)}
    if len(kept) == len(files):
        return
    with zipfile.ZipFile(wheel, "w") as archive:
        for item, content in kept.items():
            if item.filename.endswith(".dist-info/RECORD"):
                lines = content.splitlines(keepends=True)
                content = b"".join(line for line in lines if not line.startswith(_MODELS.encode()))
            archive.writestr(item, content)


def _commit(clone: Path) -> str:
    """The clone's commit, with "-dirty" where files were changed since; "no commit" without git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=clone,
            env=child_environment(network=False),
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
    return done.stdout.strip()


def required(wheel: Path) -> list[str]:
    """The requirements in a wheel's metadata, those of its extras left out."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(item for item in archive.namelist() if item.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode("utf-8"))
    lines = metadata.get_all("Requires-Dist") or []
    return [line for line in lines if "extra ==" not in line]


def _build(project: Path, output: Path) -> Path:
    if importlib.util.find_spec("build") is None:
        raise NotInstalled.extra("package", "bundle", "build")
    options = ["--wheel", "--outdir", str(output.absolute())]
    if _has_setuptools():
        options.append("--no-isolation")
    before = set(output.glob("*.whl"))
    with tempfile.TemporaryDirectory(prefix="dfsubmit-build-") as scratch:
        copy = Path(scratch, project.resolve().name)
        shutil.copytree(project, copy, ignore=_ignore(project))
        done = subprocess.run(
            python_command(_BUILD, *options, str(copy)),
            cwd=scratch,
            env={**child_environment(network=True), "SOURCE_DATE_EPOCH": _EPOCH},
            capture_output=True,
            text=True,
            check=False,
        )
    built = set(output.glob("*.whl")) - before
    if done.returncode or len(built) != 1:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise DfsubmitError(f"{project} cannot be built into a wheel:\n{tail}")
    return built.pop()


def _has_setuptools() -> bool:
    """Whether a wheel can be built without downloading anything.

    From 70.1 on setuptools needs no `wheel`; Python 3.12 and later come without either.
    """
    try:
        version = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        return False
    return tuple(int(part) for part in version.split(".")[:2]) >= (70, 1)


def _ignore(project: Path) -> Callable[[str, list[str]], set[str]]:
    """Leave out the folders beside the package, at the top only; caches everywhere.

    The function raises UsageError for a link that leaves the project.
    """
    top, everywhere = shutil.ignore_patterns(*_LEFT_OUT), shutil.ignore_patterns("__pycache__")
    home = project.resolve()

    def left_out(folder: str, names: list[str]) -> set[str]:
        out = set((top if folder == str(project) else everywhere)(folder, names))
        for name in sorted(set(names) - out):
            path = Path(folder, name)
            if path.is_symlink() and not path.resolve().is_relative_to(home):
                raise UsageError(
                    f"{path} is a link out of the project's folder, to {path.resolve()}",
                    "put the file itself there, if it is to be built into the wheel",
                )
        return out

    return left_out
