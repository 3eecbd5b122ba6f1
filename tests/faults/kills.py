"""Runs killed at random moments: what lies there is submittable, scores of an earlier run do not
pass for its own, and the next run finishes it to the very bytes of an undisturbed one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
from setting import Tally, finish, make_model, run_command, start

from dfsubmit.errors import UsageError
from dfsubmit.output.scores import read_meta, read_scores, scores_path
from dfsubmit.output.submission import validate_submission
from dfsubmit.samples import make_samples

COPIES = 2
STARTING_SECONDS = 1.5
RUN_SECONDS = 300
ORPHAN_SECONDS = 5


def killed_runs(work: Path, cases: int, seed: int) -> Tally:
    """Kill `cases` runs with SIGKILL, the parent and a worker in turn, and finish them."""
    tally = Tally("killed runs", cases)
    random = np.random.default_rng(seed)
    data = _data(work / "data")
    model = make_model(work / "model")
    expected = _undisturbed(data, model, work / "expected" / "s.csv")
    for number in range(cases):
        output = work / f"killed-{number}" / "s.csv"
        process = _started(data, model, output, random, work / "expected")
        kill = (_kill_parent, _kill_worker)[number % 2]
        complaint = kill(process, output, data, tally)
        if not complaint:
            complaint = _finished(data, model, output, expected, tally)
        if complaint:
            tally.failed(f"run {number}: {complaint}")
        else:
            tally.survived += 1
        shutil.rmtree(output.parent)
    return tally


def _started(
    data: Path, model: Path, output: Path, random: np.random.Generator, earlier: Path
) -> subprocess.Popen[str]:
    """A run that has come to a random point: a fifth of them while starting, the others after any
    number of files. One that ends before it is caught is given up for another. Beside its output
    lie the scores and metadata of an earlier run."""
    files = len(list(data.iterdir()))
    while True:
        shutil.rmtree(output.parent, ignore_errors=True)
        output.parent.mkdir()
        for name in ("s.scores.jsonl", "s.meta.json"):
            shutil.copy(earlier / name, output.parent)
        process = start(run_command(data, model, output))
        if random.random() < 0.2:
            time.sleep(random.uniform(0, STARTING_SECONDS))
        else:
            done = int(random.integers(files))
            while process.poll() is None and _noted(output) < done:
                time.sleep(0.005)
            time.sleep(random.uniform(0, 0.1))
        if process.poll() is None:
            return process
        finish(process, RUN_SECONDS)


def _noted(output: Path) -> int:
    """How many files the journal holds."""
    try:
        return output.with_name("s.journal.jsonl").read_bytes().count(b'"result"')
    except FileNotFoundError:
        return 0


def _data(folder: Path) -> Path:
    """The samples, a few times over, so that a run lasts some seconds."""
    make_samples(folder)
    for path in sorted(folder.iterdir()):
        for copy in range(1, COPIES):
            shutil.copy(path, folder / f"{path.stem}-{copy}{path.suffix}")
    return folder


def _undisturbed(data: Path, model: Path, output: Path) -> bytes:
    output.parent.mkdir()
    code, text = finish(start(run_command(data, model, output)), RUN_SECONDS)
    if code != 0:
        raise RuntimeError(f"the undisturbed run failed: {text}")
    return output.read_bytes()


def _kill_parent(process: subprocess.Popen[str], output: Path, data: Path, tally: Tally) -> str:
    """SIGKILL for the run; what is wrong with what it leaves, or nothing."""
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
    return _mixed(output, tally)


def _mixed(output: Path, tally: Tally) -> str:
    """Whether the earlier run's scores could be taken for this one's."""
    scores = scores_path(output)
    run = json.loads(scores.read_text().partition("\n")[0])["run"]
    if read_meta(scores)["run"] == run:
        return ""
    try:
        read_scores(scores)
    except UsageError:
        tally.counts["scores of the run before were refused"] += 1
        return ""
    return "the scores of the run before pass for its own"


def _kill_worker(process: subprocess.Popen[str], output: Path, data: Path, tally: Tally) -> str:
    """SIGKILL for a worker, once there is one; the run goes on."""
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
        if json.loads(output.with_name("s.meta.json").read_text())["resumed"]:
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
        children: list[psutil.Process] = psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []
    return children
