"""A zip of a model folder → the unpacked folder in the cache."""

from __future__ import annotations

import hashlib
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import platformdirs

from dfsubmit.errors import ModelError

MAX_UNPACKED_BYTES = 8 * 2**30
_CHUNK = 2**20


def unpack(archive: Path) -> Path:
    """Unpack a zip into the cache, once per content.

    Raises:
        ModelError: a path that leaves the folder, a link, too many bytes, or a damaged zip.
    """
    digest = hashlib.sha256()
    with archive.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    cache = Path(platformdirs.user_cache_dir("dfsubmit")) / "models"
    target = cache / digest.hexdigest()[:32]
    if target.is_dir():
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=cache))
    except OSError as error:
        raise ModelError(f"{archive} cannot be unpacked: {error}", "unzip it yourself") from error
    try:
        with zipfile.ZipFile(archive) as bundle:
            budget = MAX_UNPACKED_BYTES
            for member in bundle.infolist():
                budget -= _unpack_member(bundle, member, scratch, budget)
        # Another process may have unpacked it first; its content is the same.
        if not target.is_dir():
            scratch.rename(target)
        return target
    except ModelError:
        raise
    except Exception as error:  # zipfile and its decompressors raise many types for a damaged one
        raise ModelError(f"{archive}: {type(error).__name__}: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _unpack_member(
    bundle: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, budget: int
) -> int:
    """Unpack one member; returns its size in bytes."""
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or ":" in member.filename:
        raise ModelError(f"the zip holds a path that leaves its folder: {member.filename!r}")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ModelError(f"the zip holds a link: {member.filename!r}")
    target = folder.joinpath(*name.parts)
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with bundle.open(member) as packed, target.open("wb") as unpacked:
        # Counted while unpacking, because the sizes stated in a zip may be wrong.
        while chunk := packed.read(_CHUNK):
            written += len(chunk)
            if written > budget:
                raise ModelError(f"the zip unpacks to more than {MAX_UNPACKED_BYTES} bytes")
            unpacked.write(chunk)
    return written
