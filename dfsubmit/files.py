"""Atomic writes: a reader sees the old file or the new one, never a half of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zlib
from pathlib import Path

_SUFFIX = ".part"


def write_atomically(path: str | os.PathLike[str], data: str | bytes) -> None:
    """Replace a file's content as one step, through a temporary file beside it.

    Text is encoded as UTF-8; surrogate escapes become the bytes they stand for.

    Raises:
        OSError: the folder is not writable, or the disk is full; the old file is untouched.
    """
    path = Path(path)
    payload = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    descriptor, temporary = tempfile.mkstemp(_SUFFIX, _prefix(path), path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(payload)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes the file private; a submission is as readable as any file of the user's.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def remove_parts(path: str | os.PathLike[str]) -> None:
    """Remove the temporary files that processes killed while they wrote `path` left beside it.

    Only for one who knows that nobody else is writing it now.
    """
    path = Path(path)
    prefix = _prefix(path)
    with contextlib.suppress(OSError):
        for entry in os.scandir(path.parent):
            if entry.name.startswith(prefix) and entry.name.endswith(_SUFFIX):
                os.unlink(entry.path)


def _prefix(path: Path) -> str:
    # Not the name itself, which may be as long as the file system allows.
    return f".dfsubmit-{zlib.crc32(os.fsencode(path.name)):08x}-"


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def relative_files(folder: Path) -> list[str]:
    """Every file below a folder, links included, as sorted relative paths with forward slashes."""
    found: list[Path] = []
    for current, folders, names in os.walk(folder):
        linked = (name for name in folders if os.path.islink(os.path.join(current, name)))
        found += (Path(current, name) for name in (*names, *linked))
    return sorted(path.relative_to(folder).as_posix() for path in found)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
