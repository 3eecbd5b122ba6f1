"""Damaged media: whatever a file holds, it gets its row and the run ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mutate import MUTATIONS, SUFFIXES, mutate
from setting import Tally, finish, make_model, run_command, sources, start

from dfsubmit.output.scores import read_scores, scores_path
from dfsubmit.output.submission import validate_submission
from dfsubmit.records import Status

BATCH = 250
PER_FILE_TIMEOUT = 60


def damaged_media(work: Path, cases: int, seed: int) -> Tally:
    """Score `cases` damaged files, in runs of `BATCH`."""
    tally = Tally("damaged media", cases)
    random = np.random.default_rng(seed)
    originals = [path for path in sources(work / "sources") if path.stat().st_size]
    model = make_model(work / "model")
    for first in range(0, cases, BATCH):
        data = work / f"damaged-{first}"
        data.mkdir()
        for number in range(first, min(first + BATCH, cases)):
            _write_case(data, number, originals, random)
        _score(data, model, tally)
    return tally


def _write_case(
    data: Path, number: int, originals: list[Path], random: np.random.Generator
) -> None:
    kinds = list(MUTATIONS)
    kind = kinds[number % len(kinds)]
    one, other = (originals[int(random.integers(len(originals)))] for _ in range(2))
    suffix = one.suffix
    if kind == "suffix":
        suffix = SUFFIXES[int(random.integers(len(SUFFIXES)))]
    content = mutate(kind, one.read_bytes(), other.read_bytes(), random)
    (data / f"{number:05}-{kind}-{one.stem}{suffix}").write_bytes(content)


def _score(data: Path, model: Path, tally: Tally) -> None:
    output = data.with_suffix(".csv")
    files = len(list(data.iterdir()))
    command = run_command(data, model, output, "--per-file-timeout", str(PER_FILE_TIMEOUT))
    code, text = finish(start(command), PER_FILE_TIMEOUT * files)
    if code is None:
        tally.hangs += 1
        tally.failed(f"the run over {data.name} did not end")
        return
    if code != 0:
        tally.failed(f"{data.name}: exit code {code}: {text[-300:]}")
        tally.rows_lost += files
        return
    problems = validate_submission(output, data)
    if problems:
        tally.failed(f"{data.name}: {problems}")
    results = read_scores(scores_path(output))
    tally.rows_lost += files - len(results)
    for result in results:
        tally.counts[result.status.value] += 1
        if result.status is Status.TIMEOUT:
            tally.hangs += 1
        elif result.status in (Status.ERROR, Status.PENDING):
            tally.failed(f"{result.filename!a}: {result.status.value}: {result.error}")
        else:  # a crash of the decoder costs its own file, and is survived
            tally.survived += 1
        if result.status is Status.CRASHED:
            tally.notes.append(f"{result.filename!a}: {result.error}")
