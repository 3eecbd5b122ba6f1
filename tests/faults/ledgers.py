"""Many submissions at once, some of them killed: every one that was told its number has it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import numpy as np
from setting import Tally

from dfsubmit.bundle.submit import ledger
from dfsubmit.processes import python_command

AT_ONCE, EACH, SECONDS = 6, 5, 120
_CODE = """
from dfsubmit.bundle.submit import ledger
from dfsubmit.bundle.submit.ledger import Entry
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[1])):
    entry = ledger.record(Entry(
        id="", time="2025-10-01T12:00:00+09:00", target="task", trial=False, accepted=None,
        model_name="m", bundle="b", bundle_hash="", model="m", model_sha256="",
        recipe={}, aggregator="mean", tta="none", answer=sys.argv[2],
    ))
    print(entry.id, flush=True)
    ledger.record_answer(entry, True, sys.argv[2])
"""


def ledger_races(work: Path, rounds: int, seed: int) -> Tally:
    """Rounds of processes that write to one ledger; in each, two are killed at random times."""
    tally = Tally("ledger races")
    random = np.random.default_rng(seed)
    for number in range(rounds):
        os.environ["XDG_DATA_HOME"] = str(work / f"round-{number}")
        tally.cases += AT_ONCE
        complaint = _round(random, tally)
        if complaint:
            tally.failed(f"round {number}: {complaint}")
        else:
            tally.survived += AT_ONCE
    return tally


def _round(random: np.random.Generator, tally: Tally) -> str:
    processes = [
        subprocess.Popen(
            python_command(_CODE, str(EACH), f"by {number}"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(AT_ONCE)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for victim in processes[:2]:
        time.sleep(float(random.uniform(0, 0.3)))
        victim.send_signal(signal.SIGKILL)
    told: list[tuple[int, str]] = []
    for number, process in enumerate(processes):
        try:
            text, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            tally.hangs += 1
            return "a process did not end"
        told += [(number, line) for line in text.split() if line.startswith("EXP-")]
        if process.returncode not in (0, -signal.SIGKILL):
            return f"exit code {process.returncode}"
    entries = {entry.id: entry for entry in ledger.read()}
    tally.counts["entries"] += len(entries)
    tally.counts["lines cut short by a kill"] += len(ledger.damage())
    twice = [name for name, times in Counter(name for _, name in told).items() if times > 1]
    lost = [name for _, name in told if name not in entries]
    tally.rows_lost += len(lost)
    mixed = [name for by, name in told if name in entries and entries[name].answer != f"by {by}"]
    # Whoever is killed may have recorded one more than it could tell.
    spare = len(entries) - len(told)
    if twice or lost or mixed or not 0 <= spare <= 2:
        return f"twice {twice}, lost {lost}, mixed up {mixed}, {spare} that nobody was told of"
    return ""
