"""An extraction's journal: what stops it is said, and what it noted holds afterwards."""

from __future__ import annotations

import errno
from io import FileIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dfsubmit.errors import DfsubmitError
from dfsubmit.extraction import extraction
from dfsubmit.extraction.extraction import JOURNAL, ExtractOptions, ExtractSummary, extract
from dfsubmit.extraction.layouts import find_sources
from dfsubmit.files import append_json_line
from dfsubmit.recipe import Recipe


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Two real and two fake crops."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    for name in ("real/a", "real/b", "fake/a", "fake/b"):
        path = tmp_path / "set" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), pixels)
    return tmp_path / "set"


def extracted(crops: Path, folder: Path) -> ExtractSummary:
    options = ExtractOptions(Recipe(), already_cropped=True, workers=1, progress=False)
    return extract(find_sources(crops), folder, options)


def test_a_full_disk_is_reported_and_the_extraction_goes_on_later(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[dict[str, Any]] = []

    def once(journal: FileIO, entry: dict[str, Any]) -> None:
        if noted:
            journal.write(b'{"name":"re')
            raise OSError(errno.ENOSPC, "No space left on device")
        noted.append(entry)
        append_json_line(journal, entry)

    with monkeypatch.context() as patch:
        patch.setattr(extraction, "append_json_line", once)
        with pytest.raises(DfsubmitError, match=f"{JOURNAL}: No space left on device"):
            extracted(crops, tmp_path / "faces")
    assert extracted(crops, tmp_path / "faces").resumed == 1
    summary = extracted(crops, tmp_path / "faces")
    assert (summary.resumed, summary.crops) == (4, {"real": 2, "fake": 2})
