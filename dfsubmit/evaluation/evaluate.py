"""Detailed evaluation of one result against the true labels.

In: a ``submission.csv`` or a ``scores.jsonl``, and the labels. Out: an `Evaluation`: all metrics
with intervals, the confusion matrix, and the same for every value of every column of the labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dfsubmit.console import counted, first_few, progress_bar
from dfsubmit.errors import UsageError
from dfsubmit.evaluation.forecast import Forecast, forecast
from dfsubmit.evaluation.labels import LabelledFile, labels_of
from dfsubmit.evaluation.mistakes import Mistakes, mistakes
from dfsubmit.intervals.groups import group_numbers
from dfsubmit.intervals.metrics import intervals
from dfsubmit.intervals.quantiles import SAMPLES, Interval
from dfsubmit.labels import FAKE, REAL
from dfsubmit.metrics import TITLES, Predictions, point
from dfsubmit.output.scores import read_meta, read_scores, scores_path
from dfsubmit.output.submission import read_submission
from dfsubmit.records import IntArray, Status
from dfsubmit.scoring.decision import decision_of_run

PART_METRICS = ("balanced_accuracy", "macro_f1", "auc")
"""The metrics of each part of the files, with intervals; the first one ranks the parts."""

# A column with more values than this names files rather than kinds of files.
_MOST_VALUES = 50


@dataclass(frozen=True)
class Measured:
    """Metrics of some of the files.

    Attributes:
        name: the value of the column that the files share; "" for all files.
        files, fakes, groups: counts.
        metrics: by name; NaN where undefined (such as macro F1 of fakes alone).
        intervals: 95 % intervals of those of `WITH_INTERVAL`; NaN ends where undefined.
    """

    name: str
    files: int
    fakes: int
    groups: int
    metrics: dict[str, float]
    intervals: dict[str, Interval]


@dataclass(frozen=True)
class Evaluation:
    """A result in depth.

    Attributes:
        source: the evaluated file.
        overall: all metrics of all files.
        confusion: counts of files, [truth][label given], real before fake.
        failed: how many files failed, by status; empty for a submission.csv, which does not say.
        parts: by column of the labels: its values, the lowest balanced accuracy first.
        left_out: columns with too many values to break down by.
        predictions: the predictions that the metrics were computed from.
        in_sample: how many of the files the run's own threshold and temperature were fitted on.
        forecast: of a hidden set; None if not requested, or not possible.
        model: the name of the model; empty if the metadata do not say.
        mistakes: the files to look at; None if not requested.
    """

    source: str
    overall: Measured
    confusion: list[list[int]]
    failed: dict[str, int]
    parts: dict[str, list[Measured]]
    left_out: list[str]
    predictions: Predictions
    in_sample: int = 0
    forecast: Forecast | None = None
    model: str = ""
    mistakes: Mistakes | None = None


def evaluate(
    path: str | Path,
    labels: Mapping[str, LabelledFile],
    samples: int = SAMPLES,
    seed: int = 0,
    hidden: int | None = None,
    progress: bool = False,
    some: bool = False,
    errors: int = 0,
) -> Evaluation:
    """Evaluate a ``submission.csv``, or a ``scores.jsonl`` (told by its suffix).

    Args:
        path: of the result.
        labels: of all its files; with `some`, of some of them, and files without a label are left
            out. Labels of other files are ignored, and counted on stderr.
        samples, seed: of the intervals' random draws.
        hidden: forecast the macro F1 of this number of hidden files.
        progress: show a progress bar on stderr.
        some: files without a label are no error.
        errors: how many files to list of each sort (see `mistakes`); 0 lists none.

    Raises:
        UsageError: the result cannot be read, holds a label that is not 0 or 1, or a file without
            a label; the rows are named.
    """
    path = Path(path)
    predictions, failed, labels = read_predictions(path, labels, some)
    groups = group_numbers([row.group for row in labels.values()])
    columns = {
        column: np.array([row.columns[column].strip() for row in labels.values()], dtype=object)
        for column in next(iter(labels.values())).columns
    }
    names = {column: sorted(set(values)) for column, values in columns.items()}
    divided = [column for column in columns if 1 < len(names[column]) <= _MOST_VALUES]
    parts: dict[str, list[Measured]] = {column: [] for column in divided}
    bar = progress_bar(sum(len(names[column]) for column in divided), "parts", progress)
    for column in divided:
        for name in names[column]:
            rows = columns[column] == name
            parts[column].append(
                _measure(name or "(empty)", predictions, groups, rows, samples, seed)
            )
            bar.update()
        parts[column].sort(key=lambda part: part.metrics[PART_METRICS[0]])
    bar.close()
    truth, said = predictions.labels, predictions.predicted
    meta = read_meta(path if path.suffix == ".jsonl" else scores_path(path))
    decision = decision_of_run(meta)
    everything = np.ones(len(predictions), dtype=bool)
    return Evaluation(
        source=path.name,
        overall=_measure("", predictions, groups, everything, samples, seed),
        confusion=[
            [int(((truth == row) & (said == column)).sum()) for column in (REAL, FAKE)]
            for row in (REAL, FAKE)
        ],
        failed=failed,
        parts=parts,
        left_out=[column for column in columns if len(names[column]) > _MOST_VALUES],
        predictions=predictions,
        in_sample=0 if decision is None else decision.fitted_among(labels),
        forecast=None if hidden is None else forecast(predictions, groups, hidden, seed),
        model=str(meta.get("model", {}).get("name", "")),
        mistakes=mistakes(path, labels, errors) if errors else None,
    )


def _measure(
    name: str,
    predictions: Predictions,
    groups: IntArray,
    rows: npt.NDArray[np.bool_],
    samples: int,
    seed: int,
) -> Measured:
    chosen = predictions.take(rows)
    metrics = PART_METRICS if name else tuple(TITLES)
    return Measured(
        name=name,
        files=len(chosen),
        fakes=int((chosen.labels == FAKE).sum()),
        groups=len(np.unique(groups[rows])),
        metrics=point(chosen, metrics),
        intervals=intervals(chosen, groups[rows], metrics, samples, seed),
    )


def read_predictions(
    path: Path, labels: Mapping[str, LabelledFile], some: bool = False
) -> tuple[Predictions, dict[str, int], dict[str, LabelledFile]]:
    """A result beside the true labels, how many of its files failed, by status, and the labels of
    its files.

    Raises:
        UsageError: as `evaluate`.
    """
    return (_from_scores if path.suffix == ".jsonl" else _from_submission)(path, labels, some)


def _from_scores(
    path: Path, labels: Mapping[str, LabelledFile], some: bool
) -> tuple[Predictions, dict[str, int], dict[str, LabelledFile]]:
    results = {result.filename: result for result in read_scores(path)}
    labels = _labels_of(path, labels, results, some)
    chosen = [results[name] for name in labels]
    scored = np.array([result.status is Status.OK for result in chosen])
    p_fake = None
    # After an early exit only bounds are known: the labels are exact, probabilities there are none.
    if not any(result.frames_skipped for result in chosen):
        p_fake = np.array(
            [float(item.label) if item.p_fake is None else item.p_fake for item in chosen]
        )
    predictions = Predictions(
        labels=np.array([row.label for row in labels.values()], dtype=np.int64),
        predicted=np.array([result.label for result in chosen], dtype=np.int64),
        p_fake=p_fake,
        scored=scored if p_fake is not None else np.zeros(len(chosen), dtype=bool),
    )
    failures = [result for result in chosen if result.status is not Status.OK]
    return predictions, dict(Counter(result.status.value for result in failures)), labels


def _from_submission(
    path: Path, labels: Mapping[str, LabelledFile], some: bool
) -> tuple[Predictions, dict[str, int], dict[str, LabelledFile]]:
    said = _read_labels_given(path)
    labels = _labels_of(path, labels, said, some)
    return (
        Predictions(
            labels=np.array([row.label for row in labels.values()], dtype=np.int64),
            predicted=np.array([said[name] for name in labels], dtype=np.int64),
            p_fake=None,
            scored=np.zeros(len(labels), dtype=bool),
        ),
        {},
        labels,
    )


def _read_labels_given(path: Path) -> dict[str, int]:
    """A submission's labels by filename.

    Raises:
        UsageError: not such a file; rows with a label that is not 0 or 1, or twice, are named.
    """
    said: dict[str, int] = {}
    wrong = []
    for name, label in read_submission(path):
        if label not in ("0", "1"):
            wrong.append(f"{name!r} has the label {label!r}")
        elif name in said:
            wrong.append(f"{name!r} stands in it twice")
        else:
            said[name] = int(label)
    if wrong:
        raise UsageError(f"{path}: {first_few(wrong, separator='; ')}", "labels are 0 or 1")
    return said


def _labels_of(
    path: Path, labels: Mapping[str, LabelledFile], rows: Mapping[str, object], some: bool
) -> dict[str, LabelledFile]:
    """The labels of a result's files, or, but with `some`, an error that names those without."""
    found = labels_of(rows, labels, path)
    unknown = [repr(name) for name in rows if name not in found]
    if unknown and not some:
        raise UsageError(
            f"{path} has {counted(len(unknown), 'file')} without a label: {first_few(unknown)}",
            "label them, or use 'dfsubmit compare', which leaves them out",
        )
    return found
