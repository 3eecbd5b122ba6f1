"""``LABELS.csv``: the true label of each file, read and checked.

In: a CSV with the columns ``filename,label`` and, optionally, ``group`` (files that share a person
or a source) and any others (dataset, method, compression, …), divided by commas, semicolons, tabs
or bars, in UTF-8 or cp949 (Korean Windows). Out: a `LabelledFile` by filename.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dfsubmit.console import counted, first_few, warn
from dfsubmit.errors import UsageError, did_you_mean
from dfsubmit.labels import label_of_folder, read_label
from dfsubmit.output.scores import read_scores
from dfsubmit.output.submission import read_submission


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
    """The labels by filename, in the order of the file. Says on stderr what is not UTF-8.

    Raises:
        UsageError: the file cannot be read, lacks a column, holds no row, a row twice or a label
            that is none of 0, 1, real and fake; the rows are named.
    """
    path = Path(path)
    try:
        text = _read(path)
        delimiter = _delimiter(text)
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
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
            wrong.append(f"line {line}: not {counted(len(header), 'column')}")
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


def _read(path: Path) -> str:
    content = path.read_bytes()
    foreign = [line for line in content.splitlines() if not line.isascii()]
    # File names may hold any bytes. Where every line is something else than UTF-8, the file is.
    if foreign and not any(_decoded(line, "utf-8") for line in foreign):
        text = _decoded(content, "cp949")
        if text:
            warn(f"{path} is not UTF-8 and was read as cp949 (Korean Windows)")
            return text
        warn(f"{path} is neither UTF-8 nor cp949: what is not ASCII in it is kept as bytes")
    # A byte order mark is what spreadsheets leave.
    return content.decode("utf-8-sig", "surrogateescape")


def _decoded(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _delimiter(text: str) -> str:
    """What divides the columns, by the header's names."""
    header = text.partition("\n")[0]
    for mark in ",;\t|":
        if {"filename", "label"} <= {name.strip(' "\r') for name in header.split(mark)}:
            return mark
    return ","


def labels_of(
    names: Collection[str], labels: Mapping[str, LabelledFile], source: str | Path
) -> dict[str, LabelledFile]:
    """The labels of a result's files, in the order of the labels. Those of other files are left
    out, and counted on stderr.

    Args:
        names: of the result's files.
        labels: by filename.
        source: the result, for messages.

    Raises:
        UsageError: no label is of one of these files; the hint says how the names differ.
    """
    found = {name: row for name, row in labels.items() if name in names}
    others = [name for name in labels if name not in names]
    if not found:
        raise UsageError(
            f"{source}: the labels name none of its {counted(len(names), 'file')}: "
            f"they have {first_few(others, 2)}, it has {first_few(sorted(names), 2)}",
            _difference(others, names),
        )
    if others:
        what = f"{counted(len(others), 'label')} of files that {source} does not have"
        warn(f"{what}: ignored ({first_few(others)})")
    return found


def _difference(others: Collection[str], names: Collection[str]) -> str:
    """How the labels' names differ from the files', as a hint; "" where that is not plain."""
    endings = {PurePosixPath(name).name: name for name in names}
    without = {str(PurePosixPath(name).with_suffix("")): name for name in names if name}
    composed = {unicodedata.normalize("NFC", name): name for name in names}
    for other in others:
        plain = unicodedata.normalize("NFC", other)
        last = PurePosixPath(other.replace("\\", "/")).name
        if other in without:
            return f"write names with their suffix: {without[other]!r}, not {other!r}"
        if other in endings:
            return f"write names with their folder, as the run did: {endings[other]!r}"
        if last in names:
            return (
                f"{other!r} names a folder, and the run did not: take folders out of the labels, "
                "or run with --recursive on the folder above"
            )
        if plain in composed:
            return f"{other!r} has the same letters as a file's name in another form of Unicode"
        if not other.isascii() and _in_cp949(other) in names:
            return "the files' own names are cp949: rename them to UTF-8 with convmv, and run again"
    return ""


def _in_cp949(name: str) -> str:
    """The name as a file has it whose name is cp949."""
    try:
        return name.encode("cp949").decode("utf-8", "surrogateescape")
    except UnicodeError:
        return ""


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
        count = counted(len(unknown), "file") if names else "no rows"
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
