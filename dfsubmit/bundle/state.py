"""The user's folder with the records of rehearsals and submissions, outside of every bundle.

A rehearsal's report is beside its bundle, so whoever passes on the bundle can forge one. `seal`
records here that this user's dfsubmit wrote this report on this bundle; `is_sealed` checks it. The
record is a file named by a hash over both. It detects a report that came with the bundle, was
edited, or belongs to another bundle. It does not protect against a program that runs as the user,
which could read any secret and write here too.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from dfsubmit.bundle.manifest import MANIFEST_FILE
from dfsubmit.errors import DfsubmitError
from dfsubmit.files import file_sha256, write_atomically


def home() -> Path:
    """The folder of the ledger and of the rehearsals' seals."""
    import platformdirs

    return platformdirs.user_data_path("dfsubmit")


def seal(bundle: Path, bundle_hash: str, report: bytes) -> None:
    """Note that this report on this bundle was written here.

    Args:
        bundle: its folder.
        bundle_hash: of the files that were rehearsed.
        report: the bytes of report.json.

    Raises:
        DfsubmitError: the folder cannot be written.
    """
    path = _path(bundle, bundle_hash, report)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, f"{bundle.absolute()}\n")
    except OSError as error:
        raise DfsubmitError(
            f"the rehearsal cannot be noted in {path.parent}: {error.strerror or error}",
            "without the note, submit does not believe its report",
        ) from error


def is_sealed(bundle: Path, bundle_hash: str, report: bytes) -> bool:
    """Whether `seal` was called with the same bundle and report."""
    return _path(bundle, bundle_hash, report).is_file()


def _path(bundle: Path, bundle_hash: str, report: bytes) -> Path:
    # The bundle's hash leaves out the manifest.
    manifest = file_sha256(bundle / MANIFEST_FILE)
    parts = (bundle_hash, manifest, hashlib.sha256(report).hexdigest())
    return home() / "rehearsals" / hashlib.sha256(" ".join(parts).encode()).hexdigest()
