"""``<stem>.scores.jsonl`` and ``<stem>.meta.json``: all results of a run.

One JSON object per line and file (`FileResult`). `dfsubmit compare`, `evaluate` and `calibrate`
read these instead of running the model again. Each line has the run's name, and so do the metadata:
a killed run leaves its metadata beside the scores of the run before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dfsubmit.errors import UsageError
from dfsubmit.files import json_line, replacing
from dfsubmit.records import FileResult

META_VERSION = 1
_NOT_A_RESULT = (ValueError, KeyError, TypeError, AttributeError, OverflowError)


def scores_path(submission: Path) -> Path:
    """The path of the scores of a ``submission.csv``."""
    return submission.with_name(submission.stem + ".scores.jsonl")


def meta_path(submission: Path) -> Path:
    """The path of the run's metadata."""
    return submission.with_name(submission.stem + ".meta.json")


def write_scores(path: Path, results: Iterable[FileResult], run: str = "") -> None:
    """Write one line for each result, atomically.

    Args:
        path: of the file.
        results: to write.
        run: the run's name, which is also in its metadata; "" leaves it out.
    """
    write_score_lines(path, (score_line(result, run) for result in results))


def score_line(result: FileResult, run: str = "") -> bytes:
    """The line of a result."""
    named = {"run": run} if run else {}
    return json_line({**result.to_json(), **named}).encode("ascii")


def write_score_lines(path: Path, lines: Iterable[bytes]) -> None:
    """`write_scores` for lines that are already formatted."""
    with replacing(path) as stream:
        for line in lines:
            stream.write(line)


def read_scores(path: str | Path) -> list[FileResult]:
    """Read ``scores.jsonl``; see `iter_scores`."""
    return list(iter_scores(path))


def iter_scores(path: str | Path) -> Iterator[FileResult]:
    """The results of ``scores.jsonl``, one after the other.

    Raises:
        UsageError: the file cannot be read, a line (named by number) is not such an object, or the
            metadata beside it belong to another run.
    """
    path = Path(path)
    _refuse_a_csv(path)
    runs = set()
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    data = json.loads(line)
                    result = FileResult.from_json(data)
                    runs.add(str(data.get("run", "")))
                except _NOT_A_RESULT as error:
                    raise UsageError(
                        f"{path}, line {number}: not a line of scores: {error!r}",
                        "it is written by 'dfsubmit run' beside submission.csv",
                    ) from error
                yield result
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    meta = read_meta(path)
    # Neither had a name in earlier versions.
    if meta and runs - {str(meta.get("run", ""))}:
        raise UsageError(
            f"{path} and the .meta.json beside it are of different runs",
            "where a run was interrupted, give its command again: it resumes, and writes both",
        )


def _refuse_a_csv(path: Path) -> None:
    if path.suffix == ".csv":
        beside = scores_path(path)
        there = "" if beside.exists() else ", which is not there: 'dfsubmit run' writes it"
        raise UsageError(
            f"{path} is a CSV of labels, and a file of scores is needed",
            f"the scores of a submission lie beside it: {beside}{there}",
        )


def read_meta(scores: str | Path) -> dict[str, Any]:
    """The metadata beside a scores file; empty if there are none.

    Raises:
        UsageError: the metadata are not valid JSON.
    """
    scores = Path(scores)
    path = scores.with_name(scores.name.removesuffix(".scores.jsonl") + ".meta.json")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path}: not a JSON object")
    return data
