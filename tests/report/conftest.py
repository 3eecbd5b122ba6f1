"""A real run with pictures."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import dfsubmit


@pytest.fixture(scope="session")
def pictured(
    make_once: Callable[[str, Callable[[Path], object]], Path], samples: Path, tiny_model: Path
) -> Path:
    """A folder with ``data`` and a run of it with --report: ``submission.*``. Read it only."""

    def make(folder: Path) -> None:
        data = folder / "data"
        data.mkdir(parents=True)
        for name in ("twelve_frames.mp4", "face.jpg", "no_face.jpg", "text.mp4"):
            shutil.copy(samples / name, data)
        arguments = ["--model", tiny_model, "--output", folder / "submission.csv"]
        arguments += ["--report", "--max-failures", "100%", "--workers", "1", "--no-progress"]
        printed = dfsubmit("run", data, *arguments)
        assert f"page: {folder / 'submission.report.html'}" in printed

    return make_once("pictured-run", make)
