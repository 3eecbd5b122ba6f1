"""``<stem>.features.npz``: the inputs of the model's last layer per file (``--keep-features``).

In: the results of a run. Out: an array in a file beside its scores, one row per file: the mean over
its frames, in float16. Two runs of one model can be compared by it, without labels.
"""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dfsubmit.console import counted
from dfsubmit.errors import UsageError
from dfsubmit.files import replacing
from dfsubmit.hooks import ModelFacts
from dfsubmit.options import RunOptions
from dfsubmit.output.scores import read_meta, read_scores
from dfsubmit.records import Features, FloatArray

_SUFFIX = ".features.npz"
_HOW = "keep them: dfsubmit run … --keep-features"


@dataclass(frozen=True)
class KeptRun:
    """The scored files of a run whose features were kept.

    Attributes:
        features: float32 (n, width), finite.
        p_fake: float64 (n,), in [0, 1]; NaN where an early exit left only bounds.
        meta: the run's metadata.
    """

    features: Features
    p_fake: FloatArray
    meta: dict[str, Any]


def features_path(submission: Path) -> Path:
    """The path of the features of a ``submission.csv``."""
    return submission.with_name(submission.stem + _SUFFIX)


def write_features(path: Path, features: Mapping[str, npt.NDArray[Any]], run: str = "") -> None:
    """Write the features of files, atomically. If no file has features, remove the file that an
    earlier run may have left.

    Args:
        path: of the file.
        features: (width,) by file name; written in float16.
        run: the run's name, as in its scores and metadata.
    """
    if not features:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return
    with replacing(path) as stream:
        np.savez(
            stream,
            run=np.array(run),
            names=np.array(list(features)),
            features=np.stack(list(features.values()), dtype=np.float16, casting="same_kind"),
        )


def merge_features(path: Path, parts: Iterable[Path], run: str) -> None:
    """Merge the features of several runs, sorted by name (as bytes). If no run has features, remove
    the file.

    Args:
        path: of the file.
        parts: the runs' files; they may be missing.
        run: as for `write_features`.

    Raises:
        UsageError: one cannot be read.
    """
    features: dict[str, npt.NDArray[Any]] = {}
    for part in parts:
        if part.exists():
            names, rows, _ = _read(part)
            features.update(zip(names, rows, strict=True))
    by_name = sorted(features.items(), key=lambda item: os.fsencode(item[0]))
    write_features(path, dict(by_name), run)


def read_kept_run(scores: str | Path) -> KeptRun:
    """Read a run's ``scores.jsonl``, with the features beside it.

    Raises:
        UsageError: features are missing, cannot be read, or belong to another run.
    """
    scores = Path(scores)
    p_fake = {item.filename: item.p_fake for item in read_scores(scores)}
    path = scores.with_name(scores.name.removesuffix(".scores.jsonl") + _SUFFIX)
    if not path.exists():
        raise UsageError(f"{scores} has no features beside it ({path.name})", _HOW)
    names, features, run = _read(path)
    if features.ndim != 2 or len(names) != len(features) or not np.isfinite(features).all():
        raise UsageError(f"{path}: not the features of {counted(len(names), 'file')}", _HOW)
    meta = read_meta(scores)
    if run != str(meta.get("run", "")) or not set(names) <= set(p_fake):
        raise UsageError(f"{path} is of another run than {scores.name}", _HOW)
    values = np.array([np.nan if p_fake[n] is None else p_fake[n] for n in names], np.float64)
    return KeptRun(features, values, meta)


def _read(path: Path) -> tuple[list[str], Features, str]:
    """The names, the features and the run's name in a file."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            features = arrays["features"].astype(np.float32)
            return arrays["names"].tolist(), features, str(arrays["run"])
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: {error}", _HOW) from error


def check_features(options: RunOptions, facts: ModelFacts) -> None:
    """Check, for a run that keeps features, that its model gives features and that they can be
    compared with the reference's.

    Raises:
        UsageError: they cannot; checked before the run, which may take hours.
    """
    if not options.keeps_features:
        return
    if not facts.feature_width:
        raise UsageError(
            f"the model loader {facts.loader!r} gives no features of {facts.name}",
            "--loader huggingface does, of transformers' models; or leave --keep-features and "
            "--reference away",
        )
    if options.reference is not None:
        other = _made_otherwise(read_kept_run(options.reference).meta, options, facts)
        if other:
            raise UsageError(
                f"--reference {options.reference} was made {other}",
                "run the reference's files again, as these files are to be run",
            )


def _made_otherwise(meta: dict[str, Any], options: RunOptions, facts: ModelFacts) -> str:
    """The difference between a run and this one; "" if their features are comparable."""
    if (meta.get("model") or {}).get("sha256") != facts.sha256:
        return "by another model"
    if meta.get("recipe") != json.loads(json.dumps(facts.recipe.to_dict())):
        return "with another recipe"
    return "" if meta.get("tta") == options.tta else f"with --tta {meta.get('tta')}"
