"""Wheels for a bundle: built from a project's folder, or repacked from what is installed.

In: the name of a distribution, a project's folder or a wheel. Out: one wheel in a folder. The
source is copied before it is built, so that nothing is written into the clone and no stale
``build/`` gets into the wheel.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlparse

from dfsubmit.errors import DfsubmitError, NotInstalled, UsageError

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
_BUILD_FILES = ("pyproject.toml", "setup.py")


def make_wheel(origin: str, output: Path) -> tuple[Path, str]:
    """One wheel in `output`, and what produced it, for people.

    Args:
        origin: a wheel's path, a project's folder, or the name of an installed distribution.
        output: an existing folder.

    Raises:
        UsageError: `origin` is none of these, or the wheel is not pure Python.
        DfsubmitError: the build failed, with the end of its output.
    """
    path = Path(origin)
    if path.suffix == ".whl" and path.is_file():
        wheel, produced = Path(shutil.copy(path, output)), f"copy of {path.name}"
    elif path.is_dir() and any((path / name).is_file() for name in _BUILD_FILES):
        wheel, produced = _build(path, output), f"built from {path.resolve().name}/"
    else:
        wheel, produced = _from_installed(origin, output)
    _require_pure(wheel.name)
    return wheel, produced


def _require_pure(wheel_name: str) -> None:
    if not wheel_name.endswith("-none-any.whl"):
        raise UsageError(f"{wheel_name} is not pure Python: it may not install on the server")


def own_wheel(output: Path) -> tuple[Path, str]:
    """dfsubmit's wheel: from the clone that this code runs in, else from the installed package."""
    import dfsubmit

    clone = Path(dfsubmit.__file__).resolve().parents[1]
    if not ((clone / "setup.cfg").is_file() and (clone / "pyproject.toml").is_file()):
        return make_wheel("dfsubmit", output)
    return _build(clone, output), f"built from the clone at {_commit(clone)}"


def _commit(clone: Path) -> str:
    """The clone's commit, with "-dirty" where files were changed since; "no commit" without git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=clone,
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
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(output)]
    if _has_setuptools():
        command.append("--no-isolation")
    before = set(output.glob("*.whl"))
    with tempfile.TemporaryDirectory(prefix="dfsubmit-build-") as scratch:
        copy = Path(scratch, project.resolve().name)
        shutil.copytree(project, copy, ignore=_ignore(project))
        done = subprocess.run(
            [*command, str(copy)],
            env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH},
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
    """Leave out the folders beside the package, at the top only; caches everywhere."""
    top, everywhere = shutil.ignore_patterns(*_LEFT_OUT), shutil.ignore_patterns("__pycache__")
    return lambda folder, names: (top if folder == str(project) else everywhere)(folder, names)


def _from_installed(name: str, output: Path) -> tuple[Path, str]:
    try:
        distribution = importlib.metadata.distribution(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        raise UsageError(
            f"{name!r} is no wheel, no folder with a pyproject.toml or setup.py, and not installed",
            "give a plugin's project folder, its wheel, or the name of an installed distribution",
        ) from None
    source = _editable_source(distribution)
    if source is not None:
        return _build(source, output), f"built from {source.name}/"
    return _repack(distribution, output), f"repacked from the installed {name}"


def _editable_source(distribution: importlib.metadata.Distribution) -> Path | None:
    text = distribution.read_text("direct_url.json")
    data = json.loads(text) if text else {}
    if not data.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlparse(data["url"]).path))


def _repack(distribution: importlib.metadata.Distribution, output: Path) -> Path:
    """A wheel from the files that an installation left, with a RECORD of its own."""
    tags = [
        line.removeprefix("Tag:").strip()
        for line in (distribution.read_text("WHEEL") or "").splitlines()
        if line.startswith("Tag:")
    ]
    name = distribution.metadata["Name"].replace("-", "_")
    stem = f"{name}-{distribution.version}"
    tag = "py3-none-any" if "py3-none-any" in tags else (tags or ["py3-none-any"])[0]
    wheel = output / f"{stem}-{tag}.whl"
    _require_pure(wheel.name)
    record = []
    with zipfile.ZipFile(wheel, "w") as archive:
        for item in sorted(distribution.files or [], key=str):
            if not _belongs(item):
                continue
            content = Path(str(distribution.locate_file(item))).read_bytes()
            archive.writestr(zipfile.ZipInfo(item.as_posix()), content, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            record.append(f"{item.as_posix()},sha256={digest.decode()},{len(content)}")
        record_name = f"{stem}.dist-info/RECORD"
        archive.writestr(zipfile.ZipInfo(record_name), "\n".join([*record, f"{record_name},,", ""]))
    return wheel


def _belongs(path: PurePosixPath) -> bool:
    """Whether an installed file came out of the wheel: scripts, caches and pip's notes did not."""
    notes = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
    if path.is_absolute() or ".." in path.parts or "__pycache__" in path.parts:
        return False
    return not (path.parent.name.endswith(".dist-info") and path.name in notes)
