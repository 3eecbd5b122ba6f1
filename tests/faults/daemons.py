"""Notebooks whose processes will not go: nothing of them is left, with namespaces and without."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from setting import Tally

from dfsubmit.bundle.rehearse import confinement
from dfsubmit.bundle.rehearse.sandbox import Sandbox
from dfsubmit.bundle.rehearse.watching import Limits

LIMITS = Limits(seconds=12, memory=500_000_000, cpus=2)
_DAEMON = """\
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.execv(sys.executable, [sys.executable, "-c", CODE, MARK])
os.wait()
"""
_SLEEPS = "import time; time.sleep(900)"
# What the daemon does; what the notebook does after it; the limit that is broken.
CASES = {
    "a daemon": (_SLEEPS, "", ""),
    "past the time limit": (_SLEEPS, "time.sleep(900)", "time"),
    "memory": ("much = bytearray(b'x') * 700_000_000; " + _SLEEPS, "time.sleep(900)", "memory"),
    "deaf to signals": (
        f"import signal; [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)]; {_SLEEPS}",
        "",
        "",
    ),
    "the driver killed": (_SLEEPS, "os.kill(os.getppid(), 9); time.sleep(900)", ""),
    "its own descriptors closed": (f"import os; os.closerange(0, 99); {_SLEEPS}", "", ""),
}
# A process that is another one a millisecond later can be ended by its namespace alone.
_RUNS_AWAY = "import os, time\nwhile True:\n    if os.fork(): os._exit(0)"
NAMESPACE_ONLY = {"a runaway": (_RUNS_AWAY, "", "")}


def escaping_daemons(work: Path, short: bool) -> Tally:
    """Each way to escape, with what this machine can hold and with nothing."""
    tally = Tally("escaping daemons")
    held = confinement.probe()
    ways = {"confined": held, "not confined": frozenset[str]()} if held else {"not confined": held}
    if confinement.PROCESSES not in held:
        tally.notes.append("no PID namespace here: only what is held without one was tried")
    for way, parts in ways.items():
        cases = dict(list(CASES.items())[: 2 if short else None])
        cases |= NAMESPACE_ONLY if confinement.PROCESSES in parts and not short else {}
        for name, case in cases.items():
            tally.cases += 1
            place = work / f"{way} {name}".replace(" ", "-")
            complaint = _case(place, parts, *case)
            if complaint:
                tally.failed(f"{name}, {way}: {complaint}")
            else:
                tally.survived += 1
                tally.counts[way] += 1
    return tally


def _case(place: Path, held: frozenset[str], code: str, then: str, over: str) -> str:
    mark = f"mark-{os.getpid()}-{place.name}"
    source = f"CODE, MARK = {code!r}, {mark!r}\n{_DAEMON}time.sleep(0.5)\n{then}"
    cell: dict[str, Any] = {"cell_type": "code", "id": "c", "metadata": {}, "outputs": []}
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [{**cell, "execution_count": None, "source": source}],
    }
    (place / "work").mkdir(parents=True)
    sandbox = Sandbox(Path(sys.executable), place / "work", place, LIMITS, True, held)
    began = time.monotonic()
    run = sandbox.run(notebook, place / "executed.ipynb", closed=True)
    took = time.monotonic() - began
    left = [process for process in psutil.process_iter(["cmdline"]) if _has(process, mark)]
    for process in left:
        process.kill()
    if left:
        return f"{len(left)} process(es) left"
    if run.over != over:
        return f"the limit that ended it was {run.over!r}: {run.error}"
    return f"it took {took:.0f} s" if took > LIMITS.seconds + 60 else ""


def _has(process: psutil.Process, mark: str) -> bool:
    return mark in (process.info["cmdline"] or [])
