"""A clock that is too short: never late, always submittable, and something for every file while
that is possible."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from setting import Tally, finish, make_model, run_command, start

from dfsubmit.output.scores import read_scores, scores_path
from dfsubmit.output.submission import validate_submission
from dfsubmit.records import Status
from dfsubmit.samples import make_samples

COPIES = 12
FRAMES = 40
SHARES = (0.8, 0.5, 0.3, 0.1)
UNLIMITED_SECONDS = 900


def short_clocks(work: Path) -> Tally:
    """Runs that get a share of the time that they need."""
    tally = Tally("short clock", len(SHARES))
    data = work / "data"
    make_samples(data)
    for path in [path for path in sorted(data.iterdir()) if path.suffix == ".mp4"]:
        for copy in range(1, COPIES):
            shutil.copy(path, data / f"{path.stem}-{copy}{path.suffix}")
    model = make_model(work / "model")
    more = ("--frames", str(FRAMES))
    began = time.monotonic()
    code, text = finish(start(run_command(data, model, work / "all.csv", *more)), UNLIMITED_SECONDS)
    needed = time.monotonic() - began
    if code != 0:
        raise RuntimeError(f"the run without a limit failed: {text}")
    tally.notes.append(f"without a limit {needed:.1f} s")
    for share in SHARES:
        # A limit shorter than what starting Python takes is not held, and is not promised.
        complaint = _limited(work, data, model, max(needed * share, 1.0), more, tally)
        if complaint:
            tally.failed(f"{share:.0%} of the time: {complaint}")
        else:
            tally.survived += 1
    return tally


def _limited(
    work: Path, data: Path, model: Path, limit: float, more: tuple[str, ...], tally: Tally
) -> str:
    output = work / f"limit-{limit:.1f}.csv"
    command = run_command(data, model, output, *more, "--time-limit", f"{limit:.1f}")
    began = time.monotonic()
    code, text = finish(start(command), 2 * limit + 30)
    took = time.monotonic() - began
    if code is None:
        tally.hangs += 1
        return "it did not end"
    problems = validate_submission(output, data)
    if problems:
        tally.rows_lost += 1
        return f"not submittable: {problems}: {text[-300:]}"
    if not scores_path(output).exists():
        return f"no scores: {text[-300:]}"
    results = read_scores(scores_path(output))
    pending = sum(result.status is Status.PENDING for result in results)
    thinned = [result.frames_asked for result in results if result.thinned]
    tally.notes.append(
        f"limit {limit:.1f} s: took {took:.1f} s; {len(results)} rows, {pending} not reached, "
        f"{len(thinned)} thinned to {min(thinned, default=FRAMES)} frames or more"
    )
    return f"took {took:.1f} s of {limit:.1f} s" if took > limit else ""
