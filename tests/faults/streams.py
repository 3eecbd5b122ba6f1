"""A stderr or stdout that fails, is closed, or is a pipe that nobody reads: the run goes on as if
nobody had wanted to read, and its submission is that of an undisturbed run."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from setting import Tally, finish, make_model, run_command, start

from dfsubmit.samples import make_samples

SECONDS = 300
COPIES = 2
# A shell's redirections of the run, by what they stand for.
FAULTS = {
    "the reader of both goes after a line": "{run} 2>&1 | head -1",
    "the reader of stderr goes at once": "{run} 2>&1 >/dev/null | true",
    "stderr is closed": "{run} 2>&-",
    "everything is closed": "{run} <&- >&- 2>&-",
    "stderr is on a full disk": "{run} 2>/dev/full",
    "both are on a full disk": "{run} >/dev/full 2>&1",
    "the log has reached its largest size": "ulimit -f 64; head -c 65536 /dev/zero >{log}; "
    "{run} >>{log} 2>&1",
    "stderr is open for reading only": "{run} 2</dev/null",
    "stderr does not block and is full": "{full} {run}",
    "nobody reads stderr": "{unread} {run}",
}
QUICK = ("the reader of both goes after a line", "everything is closed")
# A process whose stderr is a full pipe; -n: one that does not block.
_FULL_PIPE = """
import os, subprocess, sys
ours, theirs = os.pipe()
os.set_blocking(theirs, False)
try:
    while os.write(theirs, bytes(1000)):
        pass
except BlockingIOError:
    pass
os.set_blocking(theirs, sys.argv[1] != "-n")
sys.exit(subprocess.run(sys.argv[2:], stderr=theirs).returncode)
"""


def failing_streams(work: Path, only: Sequence[str] = ()) -> Tally:
    """A run for every fault, or for some, its progress bar shown."""
    faults = {name: shell for name, shell in FAULTS.items() if not only or name in only}
    tally = Tally("failing stderr", len(faults))
    data = work / "data"
    make_samples(data)
    for path in sorted(data.iterdir()):
        for copy in range(1, COPIES):
            shutil.copy(path, data / f"copy-{copy}-{path.name}")
    model = make_model(work / "model")
    expected = work / "expected.csv"
    code, text = finish(start(run_command(data, model, expected)), SECONDS)
    if code != 0:
        raise RuntimeError(f"the undisturbed run failed: {text}")
    for number, (name, shell) in enumerate(faults.items()):
        complaint = _case(work / f"{number}", data, model, expected.read_bytes(), shell, tally)
        if complaint:
            tally.failed(f"{name}: {complaint}")
        else:
            tally.survived += 1
    return tally


def _case(work: Path, data: Path, model: Path, expected: bytes, shell: str, tally: Tally) -> str:
    work.mkdir()
    output = work / "s.csv"
    python = shlex.join([*run_command(data, model, output, "--progress")])
    full = shlex.join([run_command(data, model, output)[0], "-c", _FULL_PIPE])
    script = shell.format(run=python, log=work / "log", full=f"{full} -n", unread=f"{full} -b")
    code, text = finish(start(["bash", "-c", f"set -o pipefail; {script}"]), SECONDS)
    if code is None:
        tally.hangs += 1
        return "it did not end"
    tally.counts[f"exit code {code}"] += 1
    if "Traceback" in text:
        return f"a traceback: {text[-500:]}"
    if not output.exists() or output.read_bytes() != expected:
        tally.rows_lost += 1
        return f"the submission differs from that of an undisturbed run: {text[-300:]}"
    left = {path.name for path in work.iterdir()}
    left -= {"s.csv", "s.meta.json", "s.scores.jsonl", "log"}
    if left:
        return f"left over: {left}"
    return "" if code == 0 else f"exit code {code}: {text[-300:]}"
