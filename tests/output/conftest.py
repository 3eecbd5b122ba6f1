"""A run's output over three files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfsubmit.output.run_files import RunOutput
from dfsubmit.records import MediaFile

Files = list[MediaFile]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return [MediaFile(tmp_path / name, name, 10, 20) for name in ("b.mp4", "a.jpg", "c.mp4")]


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    return tmp_path / "out.csv"


@pytest.fixture
def output(submission: Path, files: Files) -> Iterator[RunOutput]:
    output = RunOutput(submission, files, 1)
    output.begin({}, {"model": "x"}, None)
    yield output
    with contextlib.suppress(ValueError):  # the test has closed it
        output.close()


@pytest.fixture
def data(tmp_path: Path, files: Files) -> Path:
    """A folder with the files."""
    folder = tmp_path / "data"
    folder.mkdir()
    for file in files:
        (folder / file.name).touch()
    return folder
