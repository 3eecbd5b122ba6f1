"""The requirements of a rehearsal, checked before anything is built or replaced.

In: `RehearsalOptions`. Out: nothing, or an error.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from dfsubmit.bundle.pins import TORCH
from dfsubmit.bundle.rehearse.environment import TORCH_VARIABLE
from dfsubmit.bundle.rehearse.options import RehearsalOptions
from dfsubmit.errors import NotInstalled, UsageError
from dfsubmit.files import relative_files

PACKAGES = ("nbformat", "nbclient", "ipykernel", "psutil", "detect_secrets")
# Installed sizes, from below: torch with its CUDA libraries, or a build without them, and the rest.
_SERVER_SET, _STAND_IN_SET = 6 * 10**9, 10**9
_SPARE = 200 * 10**6


def check(options: RehearsalOptions) -> None:
    """Make sure that a rehearsal can run here.

    Raises:
        NotInstalled: a package of the extra "bundle" is missing.
        UsageError: there is too little space for it.
    """
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise NotInstalled.extra("rehearse", "bundle", package.replace("_", "-"))
    if options.fresh and importlib.util.find_spec("ensurepip") is None:
        raise NotInstalled(
            "'rehearse' makes a virtual environment, and this Python has no venv with pip",
            "on Debian and Ubuntu: apt install python3-venv; or --no-venv",
        )
    scratch = tempfile.gettempdir()
    free, needed = shutil.disk_usage(scratch).free, _space(options)
    if free < needed:
        raise UsageError(
            f"a rehearsal needs about {needed / 1e9:.1f} GB in {scratch}, "
            f"which has {free / 1e9:.1f} GB free",
            "make room, or name another folder: TMPDIR=DIR"
            + ("; --no-venv installs nothing" if options.fresh else ""),
        )


def _space(options: RehearsalOptions) -> int:
    """Bytes that are needed at least; the media are links where that is possible."""
    bundle = options.bundle
    needed = _SPARE + sum((bundle / path).lstat().st_size for path in relative_files(bundle))
    if options.fresh:
        stand_in = os.environ.get(TORCH_VARIABLE, "").strip() not in ("", TORCH)
        needed += _STAND_IN_SET if stand_in else _SERVER_SET
    return needed


def new_folder(place: Path) -> Path:
    """An empty folder beside `place`, for what is to take its place.

    Raises:
        UsageError: nothing can be written there.
    """
    folder = place.with_name(place.name + ".new")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise UsageError(
            f"the rehearsal cannot be kept in {place}: {error.strerror or error}",
            f"make {place.parent} writable, or copy the bundle to another place",
        ) from error
    return folder
