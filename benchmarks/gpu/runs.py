"""`dfsubmit run` on the card: workers and batches, two runs at once, a run that is killed."""

from __future__ import annotations

import subprocess
import time
from typing import Any

from benchmarks.gpu.bench import Bench, best
from dfsubmit.machine import available_cpus

WORKERS = (16, 8, 4, 2, 1)
BATCHES = (8, 32, 128)
PRECISIONS = ("fp32", "fp16", "bf16")
KILL_SECONDS = 120.0


def workers(bench: Bench) -> list[dict[str, Any]]:
    """A row for each number of workers that this machine has a CPU for, the most first: it takes
    the least time, so what the clock cuts off is what matters least. Then, with the best number,
    one for each batch size and each precision."""
    rows: list[dict[str, Any]] = []
    for count in (count for count in WORKERS if count <= available_cpus()):
        # A run with one worker takes as long as all others together.
        if rows and bench.left() < 3 * rows[-1]["wall"]:
            break
        rows.append(_row(bench, workers=count))
    if not rows:
        return rows
    most = best(rows)["workers"]
    extra: list[dict[str, Any]] = [{"batch-size": size} for size in BATCHES]
    extra += [{"precision": name} for name in PRECISIONS[1:]]
    for options in extra:
        if bench.left() < 2 * rows[0]["wall"]:
            break
        rows.append(_row(bench, workers=most, **options))
    return rows


def _row(bench: Bench, **options: Any) -> dict[str, Any]:
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    named = "-".join(words).strip("-")
    try:
        return {**options, **bench.run(f"run-{named}", *words)}
    except RuntimeError as error:
        return {**options, "files/min": 0.0, "wall": 0.0, "error": str(error)}


def together(bench: Bench) -> dict[str, Any]:
    """Two runs on one card at the same moment: the same rows, and files a minute of both."""
    share = str(max(available_cpus() // 2, 1))
    alone = bench.run("alone", "--workers", share)
    started = time.monotonic()
    running = []
    for name in ("first", "second"):
        command = bench.command(name, "--workers", share)
        with (bench.out / name / "log.txt").open("wb") as log:
            running.append(subprocess.Popen(command, stdout=log, stderr=log))
    codes = [process.wait() for process in running]
    wall = time.monotonic() - started
    equal = all(bench.labels(name) == bench.labels("alone") for name in ("first", "second"))
    return {
        "exit codes": codes,
        "rows equal to a run alone": equal,
        "wall of one alone": alone["wall"],
        "wall of both": wall,
    }


def killed(bench: Bench) -> dict[str, Any]:
    """A run killed (SIGKILL) after some of its files and begun again: the CSV and every p_fake
    against those of a run that was left alone."""
    share = str(available_cpus())
    bench.run("undisturbed", "--workers", share)
    command = bench.command("killed", "--workers", share)
    with (bench.out / "killed/log.txt").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        rows = _wait_for_rows(bench, process)
        process.kill()
        process.wait()
    resumed = bench.run("killed", "--workers", share)
    names = ("killed", "undisturbed")
    scores = [(bench.out / name / "submission.scores.jsonl").read_text() for name in names]
    return {
        "files before the kill": rows,
        "of": bench.clips,
        "CSV equal": bench.labels("killed") == bench.labels("undisturbed"),
        "largest Δp": _largest_difference(*scores),
        "device": resumed["device"],
    }


def _wait_for_rows(bench: Bench, process: subprocess.Popen[bytes]) -> int:
    """Wait until a quarter of the files are in the journal; how many are."""
    journals = (bench.out / "killed").glob
    end = time.monotonic() + KILL_SECONDS
    rows = 0
    while time.monotonic() < end and process.poll() is None and rows < bench.clips // 4:
        time.sleep(0.1)
        # The first line says what the journal is of.
        rows = sum(len(path.read_bytes().splitlines()) - 1 for path in journals("*journal*"))
    return max(rows, 0)


def _largest_difference(first: str, second: str) -> float:
    import json

    def by_name(text: str) -> dict[str, float]:
        rows = [json.loads(line) for line in text.splitlines()]
        return {row["filename"]: row["p_fake"] for row in rows if row.get("filename")}

    left, right = by_name(first), by_name(second)
    return max((abs(left[name] - right[name]) for name in left), default=0.0)
