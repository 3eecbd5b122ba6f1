"""A run over subfolders: names with slashes, from the first row to the evaluation."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from commands import dfsubmit

from dfsubmit.cli import main
from dfsubmit.errors import Exit

pytestmark = pytest.mark.slow


def test_real_and_fake_folders_are_run_checked_and_evaluated(
    tiny_model: Path, samples: Path, tmp_path: Path
) -> None:
    data, output = tmp_path / "data", tmp_path / "submission.csv"
    names = ["fake/deep/other.jpg", "fake/face.jpg", "real/face.jpg"]
    for name in names:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(samples / "face.jpg", data / name)
    plain = ("run", data, "--model", tiny_model, "--output", output, "--no-fallback")
    refused = CliRunner().invoke(main, [str(argument) for argument in plain])
    assert refused.exit_code == Exit.USAGE
    assert "subfolders are not searched: fake/, real/ (--recursive)" in refused.output
    assert not output.exists()
    dfsubmit(*plain, "--recursive", "--workers", 1, "--no-progress")
    with output.open(newline="") as stream:
        assert [row["filename"] for row in csv.DictReader(stream)] == names
    assert "is valid" in dfsubmit("check", output, "--data", data)
    for result in (output, output.with_suffix(".scores.jsonl")):
        text = dfsubmit("evaluate", result, "--json", "--samples", 100, "--no-progress")
        figures = json.loads(text)
        assert (figures["files"], figures["fakes"]) == (3, 2)
    # A file that came later has no row, wherever it lies.
    shutil.copy(data / "real/face.jpg", data / "real/later.jpg")
    assert "1 file without a row: real/later.jpg" in dfsubmit(
        "check", output, "--data", data, code=1
    )
