"""The user's own folder of what was rehearsed and sent, outside of every bundle.

A rehearsal's report lies beside its bundle, where anybody who hands over the bundle can write one.
`seal` notes here that this user's dfsubmit wrote just that report on just that bundle; `is_sealed`
asks. The note is a file named by a hash over both. It tells a report that came with the bundle, was
edited, or belongs to another bundle. It does not stop a program that runs as the user and writes
here too: no secret is at hand that such a program could not read.
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
