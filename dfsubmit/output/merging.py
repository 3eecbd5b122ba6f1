"""The outputs of several runs on parts of one folder → those of one run on all of it.

In: ``submission-1-of-8.csv`` and so on, each with its scores and metadata. Out: a submission with
scores, features and metadata, as one run would have written them, except for the run's name and
times. One line of each part is in memory at a time.
"""

from __future__ import annotations

import heapq
import json
import os
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dfsubmit.console import first_few
from dfsubmit.errors import Exit, UsageError
from dfsubmit.files import check_output, write_atomically
from dfsubmit.hooks.execution import Waiting
from dfsubmit.options import CASCADE
from dfsubmit.output.features import features_path, merge_features
from dfsubmit.output.metadata import describe_outcome
from dfsubmit.output.scores import iter_scores, meta_path, read_meta, scores_path, write_scores
from dfsubmit.output.submission import write_submission
from dfsubmit.output.summary import RunSummary
from dfsubmit.output.tally import Tally
from dfsubmit.records import FileResult, Status
from dfsubmit.scoring.settling import merged
from dfsubmit.shards import check_parts

# What must be equal for all parts, with its name for messages.
_SAME = {
    "model": ("model", "sha256"),
    "fake class": ("model", "fake_class"),
    "model loader": ("model", "loader"),
    "recipe": ("recipe",),
    "aggregator": ("aggregator",),
    "threshold or calibration": ("decision",),
    "precision": ("precision",),
    "--tta": ("tta",),
    "--no-face": ("no_face",),
    "--failure-label": ("failure_label",),
    "--early-exit": ("early_exit",),
    "--keep-features": ("features",),
}
# What should be equal; a difference causes a warning.
_ALIKE = ("dfsubmit", "python", "packages", "device", "arithmetic")


def merge_runs(out: Path, parts: Sequence[Path]) -> RunSummary:
    """Merge the submissions of several parts into the submission `out`.

    Raises:
        UsageError: a part is unfinished, or a shard is missing; they were made in different ways;
            or a file is in two of them. Nothing is written then.
        OSError: it cannot be written.
    """
    if any(out.resolve() == part.resolve() for part in parts):
        raise UsageError(f"{out} is one of the parts", "give the merged one another name")
    for written in (out, scores_path(out), meta_path(out), features_path(out)):
        check_output(written)
    metas = [_meta(part) for part in parts]
    check_parts([meta.get("shard") for meta in metas], "dfsubmit run")
    for name, keys in _SAME.items():
        _check_same(name, keys, parts, metas)
    run, tally, rows = secrets.token_hex(8), Tally(), list[tuple[str, int]]()

    def counted() -> Iterator[FileResult]:
        for result in _merged(parts):
            tally.add(result)
            rows.append((result.filename, result.label))
            yield result

    write_scores(scores_path(out), counted(), run)
    meta = _merged_meta(parts, metas, tally) | {"run": run}
    merge_features(features_path(out), [features_path(part) for part in parts], run)
    write_submission(out, rows, in_order=True)
    provisional = {"provisional": tally.with_status(Status.PENDING)}
    write_atomically(meta_path(out), json.dumps(meta | provisional, indent=2) + "\n")
    return RunSummary(out, tally, meta, int(Exit.OK))


def _meta(part: Path) -> dict[str, Any]:
    meta = read_meta(scores_path(part))
    # Written at the end of a run, so it is missing after a kill.
    if not part.is_file() or "seconds" not in meta:
        raise UsageError(
            f"{part} is not the submission of a finished run",
            "run its command again: it resumes",
        )
    return meta


def _check_same(
    name: str, keys: tuple[str, ...], parts: Sequence[Path], metas: Sequence[dict[str, Any]]
) -> None:
    """Check that one value is equal in all parts.

    Raises:
        UsageError: it is not; the message names the first part that differs.
    """
    values = []
    for meta in metas:
        value: Any = meta
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        values.append(value)
    for part, value in zip(parts, values, strict=True):
        if value == values[0]:
            continue
        shown = f": {values[0]} and {value}" if not isinstance(value, dict) else ""
        raise UsageError(
            f"{parts[0]} and {part} were made with a different {name}{shown}",
            "run the parts with the same options, and with the same model",
        )


def _merged(parts: Sequence[Path]) -> Iterator[FileResult]:
    """The results of all parts by name.

    Raises:
        UsageError: a file is in two of them, or scores cannot be read.
    """
    before = b""
    source = parts[0]
    for name, number, result in heapq.merge(
        *(_by_name(part, number) for number, part in enumerate(parts)), key=lambda item: item[:2]
    ):
        if name == before:
            raise UsageError(
                f"{first_few([result.filename])} is in {source} and in {parts[number]}",
                "give every file to one part alone, as --shard does",
            )
        before, source = name, parts[number]
        yield result


def _by_name(part: Path, number: int) -> Iterator[tuple[bytes, int, FileResult]]:
    before = b""
    for result in iter_scores(scores_path(part)):
        name = os.fsencode(result.filename)
        if name < before:
            raise UsageError(f"{scores_path(part)}: its lines are not in the order of their names")
        before = name
        yield name, number, result


def _merged_meta(
    parts: Sequence[Path], metas: Sequence[dict[str, Any]], tally: Tally
) -> dict[str, Any]:
    meta = {key: value for key, value in metas[0].items() if key not in ("shard", "provisional")}
    warnings = dict.fromkeys(line for one in metas for line in one.get("warnings", ()))
    for key in _ALIKE:
        others = [part for part, one in zip(parts, metas, strict=True) if one[key] != meta[key]]
        if others:
            what = key if key != "packages" else "versions of packages"
            line = f"{first_few(map(str, others))}: made with another {what} than {parts[0]}"
            warnings[line] = None
    names = {name for one in metas for name in one.get("passed_over", ())}
    meta["passed_over"] = sorted(names)
    meta["warnings"] = list(warnings)
    meta["started"] = min(str(one["started"]) for one in metas)
    meta["resumed"] = sum(one["resumed"] for one in metas)
    if CASCADE in meta:
        meta[CASCADE] = merged([one[CASCADE] for one in metas])
    meta["plugin_failures"] = {
        name: reason for one in metas for name, reason in one["plugin_failures"].items()
    }
    spent: Counter[str] = Counter()
    for one in metas:
        spent.update(one["seconds"])
    waiting = Waiting(spent["load"], spent["model_waited"], spent["workers_waited"])
    return meta | describe_outcome(tally, waiting, spent["total"])
