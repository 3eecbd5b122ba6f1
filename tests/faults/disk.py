"""A full disk: a clear error, nothing destroyed, and the same command goes on once there is room.

The disk is a small tmpfs in a mount namespace of its own, which needs no privileges where the
kernel lets users have namespaces.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

from setting import Tally, finish, make_model, run_command, start

from dfsubmit.output.submission import validate_submission
from dfsubmit.samples import make_samples

SECONDS = 300
# Room for the submission and its metadata, twice each (one of them being written), and for the
# first lines of the journal or of the scores, but not for the last.
FREE_KILOBYTES = (0, 20, 28, 36, 44, 52)


def full_disks(work: Path) -> Tally:
    """Runs whose output folder has no room, or too little."""
    tally = Tally("full disk")
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "x", "/mnt"]).returncode:
        tally.skipped = "this machine lets nobody mount a tmpfs of their own"
        return tally
    tally.cases = len(FREE_KILOBYTES)
    data = work / "data"
    make_samples(data)
    for path in sorted(data.iterdir()):
        shutil.copy(path, data / f"copy-{path.name}")
    model = make_model(work / "model")
    for free in FREE_KILOBYTES:
        complaint = _case(work / f"free-{free}", data, model, free, tally)
        if complaint:
            tally.failed(f"{free} KiB free: {complaint}")
        else:
            tally.survived += 1
    return tally


def _case(work: Path, data: Path, model: Path, free: int, tally: Tally) -> str:
    disk, kept = work / "disk", work / "kept"
    disk.mkdir(parents=True)
    kept.mkdir()
    run = shlex.join(run_command(data, model, disk / "s.csv"))
    script = f"""
        mount -t tmpfs -o size=1m tmpfs {disk} || exit 99
        cd {disk}
        head -c $(( (1024 - {free}) * 1024 )) /dev/zero > filler
        {run}; echo "first: $?"
        cp s.csv {kept}/first.csv
        rm filler
        {run}; echo "second: $?"
        cp s.csv {kept}/second.csv
    """
    code, text = finish(start(["unshare", "-rm", "sh", "-c", script]), SECONDS)
    if code is None:
        tally.hangs += 1
        return "it did not end"
    if "Traceback" in text:
        return f"a traceback: {text[-500:]}"
    refused = "first: 2" in text and "cannot be written" in text
    tally.counts["refused" if refused else "run"] += 1
    if not refused:
        tally.counts["told that the disk is full"] += "No space left" in text
        if validate_submission(kept / "first.csv", data):
            tally.rows_lost += 1
            return f"nothing submittable after the first run: {text[-500:]}"
    if "second: 0" not in text or validate_submission(kept / "second.csv", data):
        tally.rows_lost += 1
        return f"with room again it did not finish: {text[-500:]}"
    return ""
