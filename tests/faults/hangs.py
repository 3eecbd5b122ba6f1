"""A disk that never answers, and a run that is suspended for longer than a file may take: every row
is there, the files that can be read are scored as ever, and the run ends.

The disk is a FUSE file system (`silent`), whose readers cannot be killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import psutil
from setting import HERE, Tally, finish, make_model, run_command, start

from dfsubmit.output.scores import read_scores, scores_path
from dfsubmit.output.submission import validate_submission
from dfsubmit.records import FileResult, Status
from dfsubmit.samples import make_samples
from dfsubmit.workers.clock import GAP_SECONDS

SECONDS = 300
STOPPING_SECONDS = 15
PER_FILE_TIMEOUT = 3
QUICK = ("two files, with a time limit",)
SILENT = {"face.jpg": 0, "pan.mp4": 8192}


def hanging_runs(work: Path, only: Sequence[str] = ()) -> Tally:
    """Runs on a disk of which two files do not answer, or none; a run that is suspended. All of
    these cases, or some."""
    tally = Tally("a disk that never answers")
    data = work / "data"
    make_samples(data)
    model = make_model(work / "model")
    timeout = ("--per-file-timeout", str(PER_FILE_TIMEOUT))
    code, text = finish(start(run_command(data, model, work / "all.csv", *timeout)), SECONDS)
    if code != 0:
        raise RuntimeError(f"the undisturbed run failed: {text}")
    expected = _rows(work / "all.csv")
    every = {path.name: 0 for path in data.iterdir()}
    silent = partial(_on_a_silent_disk, work, data, model, expected, tally, timeout)
    cases: dict[str, Callable[[], str]] = {
        "two files of a disk": partial(silent, SILENT),
        "two files, with a time limit": partial(silent, SILENT, "--time-limit", "600"),
        "the whole disk": partial(silent, every),
        "a disk that goes for good": partial(silent, {"face.jpg": 0, "/": 0}),
        "Ctrl-C": partial(silent, SILENT, interrupt=True),
        "suspended": partial(_suspended, work, data, model, expected, tally, timeout),
    }
    if subprocess.run(
        ["unshare", "-rm", sys.executable, HERE / "silent.py", data, "/mnt", "", "true"]
    ).returncode:
        tally.notes.append("this machine lets nobody mount a FUSE file system of their own")
        cases = {"suspended": cases["suspended"]}
    cases = {name: case for name, case in cases.items() if not only or name in only}
    tally.cases = len(cases)
    for name, case in cases.items():
        complaint = case()
        if complaint:
            tally.failed(f"{name}: {complaint}")
        else:
            tally.survived += 1
    return tally


def _rows(output: Path) -> dict[str, FileResult]:
    return {result.filename: result for result in read_scores(scores_path(output))}


def _on_a_silent_disk(
    work: Path,
    data: Path,
    model: Path,
    expected: dict[str, FileResult],
    tally: Tally,
    timeout: tuple[str, ...],
    silent: dict[str, int],
    *more: str,
    interrupt: bool = False,
) -> str:
    mount, output = work / "mount", work / "disk" / "s.csv"
    shutil.rmtree(output.parent, ignore_errors=True)
    for folder in (mount, output.parent):
        folder.mkdir(exist_ok=True)
    # The rest of a file may be in the cache of one who has read a part of it.
    names = ",".join(f"{name}@{offset}" for name, offset in silent.items())
    command = run_command(mount, model, output, *timeout, *more)
    disk = [sys.executable, str(HERE / "silent.py"), str(data), str(mount), names]
    process = start(["unshare", "-rm", *disk, *command])
    if interrupt:
        return _interrupted(process, output, tally)
    code, text = finish(process, SECONDS)
    if code is None:
        tally.hangs += 1
        return "it did not end"
    if code != 0:
        return f"exit code {code}: {text[-500:]}"
    return _compared(output, data, expected, silent, tally)


def _interrupted(process: subprocess.Popen[str], output: Path, tally: Tally) -> str:
    """Ctrl-C while workers hang in their reads."""
    stuck: list[psutil.Process] = []
    while process.poll() is None and len(stuck) < 2:
        time.sleep(0.1)
        stuck = [p for p in _descendants(process.pid) if p.status() == psutil.STATUS_DISK_SLEEP]
    runs = [p for p in _descendants(process.pid) if "dfsubmit" in p.cmdline()]
    for run in runs[:1]:
        run.send_signal(signal.SIGINT)
    code, text = finish(process, STOPPING_SECONDS)
    if code is None:
        tally.hangs += 1
        return "it did not stop"
    if code != 130 or not output.exists():
        return f"exit code {code}: {text[-500:]}"
    return ""


def _descendants(pid: int) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        found = psutil.Process(pid).children(recursive=True)
    return found


def _suspended(
    work: Path,
    data: Path,
    model: Path,
    expected: dict[str, FileResult],
    tally: Tally,
    timeout: tuple[str, ...],
) -> str:
    """Ctrl-Z, and fg after a while, as soon as both workers have a file in hand."""
    output = work / "suspended" / "s.csv"
    output.parent.mkdir()
    process = start(run_command(data, model, output, *timeout))
    while process.poll() is None and not _noted(output):
        time.sleep(0.01)
    group = [process.pid, *(worker.pid for worker in _descendants(process.pid))]
    for number, seconds in ((signal.SIGSTOP, 2 * GAP_SECONDS), (signal.SIGCONT, 0)):
        for pid in group:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(seconds)
    code, text = finish(process, SECONDS)
    if code != 0:
        tally.hangs += code is None
        return f"exit code {code}: {text[-500:]}"
    return _compared(output, data, expected, {}, tally)


def _noted(output: Path) -> bool:
    journal = output.with_name("s.journal.jsonl")
    return journal.exists() and b'"result"' in journal.read_bytes()


def _compared(
    output: Path,
    data: Path,
    expected: dict[str, FileResult],
    silent: dict[str, int],
    tally: Tally,
) -> str:
    problems = validate_submission(output, data)
    if problems:
        tally.rows_lost += 1
        return f"not submittable: {problems}"
    wrong = []
    for name, result in _rows(output).items():
        tally.counts[result.status.value] += 1
        before = expected[name]
        if name in silent:
            right = result.status is Status.TIMEOUT
        else:
            right = (result.status, result.p_fake) == (before.status, before.p_fake)
            right |= result.status is Status.TIMEOUT and "/" in silent
        if not right:
            wrong.append(f"{name}: {result.status.value}, {result.error}")
    tally.rows_lost += len(wrong)
    return "; ".join(wrong)
