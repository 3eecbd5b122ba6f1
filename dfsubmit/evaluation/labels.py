"""``LABELS.csv``: the true label of each file, read and checked.

In: a CSV with the columns ``filename,label`` and, optionally, ``group`` (files that share a person
or a source) and any others (dataset, method, compression, …). Out: a `LabelledFile` by filename.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

from dfsubmit.console import first_few
from dfsubmit.errors import UsageError, did_you_mean
from dfsubmit.output.scores import read_scores
from dfsubmit.output.submission import read_submission
from dfsubmit.records import label_of_folder, read_label


@dataclass(frozen=True)
class LabelledFile:
    """One row of the labels file.

    Attributes:
        filename: as in ``submission.csv``.
        label: 0 real, 1 fake.
        group: files of one group are resampled and split together; "" stands alone.
        columns: the row's other columns by name.
    """

    filename: str
    label: int
    group: str = ""
    columns: dict[str, str] = field(default_factory=dict)


def read_labels(path: str | Path) -> dict[str, LabelledFile]:
    """The labels by filename, in the order of the file.

    Raises:
        UsageError: the file cannot be read, lacks a column, holds no row, a row twice or a label
            that is none of 0, 1, real and fake; the rows are named.
    """
    path = Path(path)
    try:
        # File names may hold any bytes; a byte order mark is what spreadsheets leave.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            header = [name.strip() for name in reader.fieldnames or ()]
            _check_header(path, header)
            reader.fieldnames = header
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, csv.Error) as error:
        raise UsageError(f"{path}: {error}") from error
    labels: dict[str, LabelledFile] = {}
    wrong: list[str] = []
    for line, row in rows:
        if None in row or None in row.values():
            wrong.append(f"line {line}: not {len(header)} columns")
            continue
        name, word = row.pop("filename"), row.pop("label")
        label, group = read_label(word), row.pop("group", "").strip()
        if label is None:
            wrong.append(f"line {line}: {name!r} has the label {word!r}")
        elif name in labels:
            wrong.append(f"line {line}: {name!r} stands in it twice")
        else:
            labels[name] = LabelledFile(name, label, group, row)
    if wrong:
        raise UsageError(
            f"{path}: {first_few(wrong, separator='; ')}", "labels are 0, 1, real or fake"
        )
    if not labels:
        raise UsageError(f"{path}: no rows")
    return labels


def labels_of_folders(result: str | Path) -> dict[str, LabelledFile]:
    """Labels from the folders called real and fake that a result's files lie in.

    Args:
        result: a ``submission.csv`` or ``scores.jsonl`` of a run with --recursive.

    Raises:
        UsageError: it cannot be read, or a file lies in no such folder.
    """
    path = Path(result)
    if path.suffix == ".jsonl":
        names = [row.filename for row in read_scores(path)]
    else:
        names = [name for name, _ in read_submission(path)]
    labels = {name: label_of_folder(name) for name in names}
    unknown = [name for name, label in labels.items() if label is None]
    if unknown or not names:
        count = f"{len(unknown)} files" if names else "no rows"
        raise UsageError(
            f"{path}: {count} in no folder called real or fake: {first_few(unknown)}",
            "give the true labels with --labels",
        )
    return {name: LabelledFile(name, known) for name, known in labels.items() if known is not None}


def _check_header(path: Path, header: list[str]) -> None:
    for column in ("filename", "label"):
        if column not in header:
            raise UsageError(f"{path}: no column {column!r}", did_you_mean(column, header))
    if len(set(header)) != len(header):
        raise UsageError(f"{path}: a column name stands in the header twice")
