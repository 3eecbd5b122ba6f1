"""Runs killed at random moments: what lies there is submittable, and the next run finishes it to
the very bytes of an undisturbed one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
from setting import Tally, finish, make_model, run_command, start

from dfsubmit.samples import make_samples
from dfsubmit.submission import validate_submission

COPIES = 2
RUN_SECONDS = 300
ORPHAN_SECONDS = 5


def killed_runs(work: Path, cases: int, seed: int) -> Tally:
    """Kill `cases` runs with SIGKILL, the parent and a worker in turn, and finish them."""
    tally = Tally("killed runs", cases)
    random = np.random.default_rng(seed)
    data = _data(work / "data")
    model = make_model(work / "model")
    expected, seconds = _undisturbed(data, model, work / "expected" / "s.csv")
    for number in range(cases):
        folder = work / f"killed-{number}"
        folder.mkdir()
        process = start(run_command(data, model, folder / "s.csv"))
        kill = (_kill_parent, _kill_worker)[number % 2]
        complaint = kill(process, folder / "s.csv", data, random.uniform(0, seconds), tally)
        if not complaint:
            complaint = _finished(data, model, folder / "s.csv", expected, tally)
        if complaint:
            tally.failed(f"run {number}: {complaint}")
        else:
            tally.survived += 1
        shutil.rmtree(folder)
    tally.notes.append(f"an undisturbed run took {seconds:.1f} s")
    return tally


def _data(folder: Path) -> Path:
    """The samples, a few times over, so that a run lasts some seconds."""
    make_samples(folder)
    for path in sorted(folder.iterdir()):
        for copy in range(1, COPIES):
            shutil.copy(path, folder / f"{path.stem}-{copy}{path.suffix}")
    return folder


def _undisturbed(data: Path, model: Path, output: Path) -> tuple[bytes, float]:
    output.parent.mkdir()
    began = time.monotonic()
    code, text = finish(start(run_command(data, model, output)), RUN_SECONDS)
    if code != 0:
        raise RuntimeError(f"the undisturbed run failed: {text}")
    return output.read_bytes(), time.monotonic() - began


def _kill_parent(
    process: subprocess.Popen[str], output: Path, data: Path, delay: float, tally: Tally
) -> str:
    """SIGKILL for the run; what is wrong with what it leaves, or nothing."""
    time.sleep(delay)
    workers = _workers(process.pid)
    process.kill()
    finish(process, RUN_SECONDS)
    _, alive = psutil.wait_procs(workers, timeout=ORPHAN_SECONDS)
    if alive:
        tally.hangs += 1
        return f"{len(alive)} workers outlived it"
    journal = output.with_name("s.journal.jsonl")
    if not output.exists():
        tally.counts["killed before the first second was over"] += 1
        # Then the lock had not been taken, or taken and not yet used.
        return "a journal and no submission" if journal.exists() and journal.stat().st_size else ""
    tally.counts["parent killed"] += 1
    problems = validate_submission(output, data)
    if problems:
        tally.rows_lost += 1
        return f"what lay there was not valid: {problems}"
    return ""


def _kill_worker(
    process: subprocess.Popen[str], output: Path, data: Path, delay: float, tally: Tally
) -> str:
    """SIGKILL for a worker, once there is one; the run goes on."""
    time.sleep(delay)
    workers: list[psutil.Process] = []
    while process.poll() is None and not workers:
        workers = _workers(process.pid)
        time.sleep(0.02)
    for worker in workers[:1]:
        tally.counts["worker killed"] += 1
        with contextlib.suppress(ProcessLookupError):  # the run has just ended
            os.kill(worker.pid, signal.SIGKILL)
    code, text = finish(process, RUN_SECONDS)
    if code is None:
        tally.hangs += 1
        return "it did not end without the worker"
    return "" if code == 0 else f"exit code {code}: {text[-300:]}"


def _finished(data: Path, model: Path, output: Path, expected: bytes, tally: Tally) -> str:
    """Give the same command again; what is wrong with the outcome, or nothing."""
    worker_killed = output.exists() and not output.with_name("s.journal.jsonl").exists()
    if not worker_killed:
        code, text = finish(start(run_command(data, model, output)), RUN_SECONDS)
        if code is None:
            tally.hangs += 1
            return "the second run did not end"
        if code != 0:
            return f"the second run: exit code {code}: {text[-300:]}"
        if "taken over" in text:
            tally.counts["resumed with rows taken over"] += 1
    found = output.read_bytes()
    if found != expected:
        tally.rows_lost += len(set(expected.splitlines()) - set(found.splitlines()))
        return "the submission differs from that of an undisturbed run"
    left = {path.name for path in output.parent.iterdir()}
    left -= {"s.csv", "s.meta.json", "s.scores.jsonl"}
    return f"left over: {left}" if left else ""


def _workers(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []
