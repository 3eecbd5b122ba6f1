"""An extraction's journal: what stops it is said, and what it noted holds afterwards."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from commands import dfsubmit

from dfsubmit.cli import main
from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.extraction import journal
from dfsubmit.extraction.extraction import ExtractOptions, ExtractSummary, extract
from dfsubmit.extraction.index import read_index
from dfsubmit.extraction.journal import JOURNAL
from dfsubmit.extraction.landmarks import read_landmarks
from dfsubmit.extraction.layouts import find_sources
from dfsubmit.faces.cropping import TEMPLATE, TEMPLATE_SIDE
from dfsubmit.files import append_json_line
from dfsubmit.finetuning.data.dataset import read_crop
from dfsubmit.recipe import BUILT_IN, Recipe

FIVE_POINTS = """
import numpy as np
from dfsubmit.hooks import FoundFace, hookimpl

POINTS = np.array([[-4, -2], [4, -2], [0, 2], [-3, 6], [3, 6]], float)


def five(x=0):
    return lambda picture, upsampling: [FoundFace((2, 2, 28, 28), 1.0, POINTS + (x, 18))]


@hookimpl
def register_detectors(register):
    register("five", five, landmarks=True)
"""


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


def test_landmarks_of_a_plugins_detector_come_with_the_crops(crops: Path, tmp_path: Path) -> None:
    """Aligned as `deepfakebench` does, by a detector that the worker takes from its file."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "five.py").write_text(FIVE_POINTS)
    recipe = replace(BUILT_IN["deepfakebench"], detector="five:x=15")
    options = ExtractOptions(recipe, workers=1, progress=False, plugins_dir=(str(folder),))
    extract(find_sources(crops), tmp_path / "faces", options)
    rows, saved = read_index(tmp_path / "faces")
    assert (len(rows), saved) == (4, recipe)
    for row in rows:
        assert read_crop(tmp_path / "faces" / row.crop).shape == (256, 256, 3)
        landmarks = read_landmarks(row.landmarks)
        assert landmarks is not None
        middle = (TEMPLATE.mean(axis=0) / TEMPLATE_SIDE + 0.15) / 1.3 * 256
        np.testing.assert_allclose(landmarks.mean(axis=0), middle, atol=0.1)
    assert extract(find_sources(crops), tmp_path / "faces", options).resumed == 4
    with pytest.raises(UsageError, match="there is no detector 'five'"):
        extract(find_sources(crops), tmp_path / "other", replace(options, plugins_dir=()))
    assert not (tmp_path / "other").exists()


def test_a_full_disk_is_reported_and_the_extraction_goes_on_later(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[dict[str, Any]] = []

    def once(stream: FileIO, entry: dict[str, Any]) -> None:
        if noted:
            stream.write(b'{"name":"re')
            raise OSError(errno.ENOSPC, "No space left on device")
        noted.append(entry)
        append_json_line(stream, entry)

    with monkeypatch.context() as patch:
        patch.setattr(journal, "append_json_line", once)
        with pytest.raises(DfsubmitError, match=f"{JOURNAL}: No space left on device"):
            extracted(crops, tmp_path / "faces")
    assert extracted(crops, tmp_path / "faces").resumed == 1
    summary = extracted(crops, tmp_path / "faces")
    assert (summary.resumed, summary.crops) == (4, {"real": 2, "fake": 2})


def test_the_command_says_which_layout_it_found(crops: Path, tmp_path: Path) -> None:
    common = ("--already-cropped", "--workers", 1, "--no-progress")
    above, faces = tmp_path / "above", tmp_path / "faces"
    above.mkdir()
    crops.rename(above / "set")
    output = dfsubmit("extract", above / "set", tmp_path / "a", *common)
    assert "layout: real-fake (detected)" in output
    # One level higher nothing is detected, unless the folders' names may label.
    assert "no known layout" in dfsubmit("extract", above, faces, *common, code=2)
    inside = dfsubmit("extract", above, above / "faces", "--recursive", *common, code=2)
    assert "its crops would be files of the data set" in inside
    arguments = ["extract", above, faces, "--recursive", "--json", *common]
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert (found["layout"], found["crops"]) == ("real-fake", {"real": 2, "fake": 2})
    rows, _ = read_index(faces)
    assert {row.video for row in rows} == {
        f"set/{name}.png" for name in ("real/a", "real/b", "fake/a", "fake/b")
    }


def test_lost_crops_and_damaged_lines_are_cut_anew(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = tmp_path / "faces"
    extracted(crops, faces)
    index = (faces / "faces.csv").read_bytes()
    assert capsys.readouterr().err == ""
    first, second, *_ = sorted((faces / "crops").rglob("0*.png"))
    first.unlink()
    second.write_bytes(b"")
    lines = (faces / JOURNAL).read_text().splitlines(keepends=True)
    (faces / JOURNAL).write_text("".join([*lines[:3], "garbage\n", *lines[3:]]))
    assert extracted(crops, faces).resumed == 2
    assert (
        "lines or crops of 3 files are damaged or gone: extracting them again"
        in capsys.readouterr().err
    )
    assert (faces / "faces.csv").read_bytes() == index
    assert extracted(crops, faces).resumed == 4


def test_crops_that_are_gone_in_the_end_are_not_in_the_index(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = tmp_path / "faces"

    def lose(path: Path, *arguments: Any) -> Any:
        answer = resume(path, *arguments)
        for crop in list((faces / "crops").rglob("0*.png"))[:1]:
            crop.unlink()
        return answer

    resume = journal.resume
    extracted(crops, faces)
    monkeypatch.setattr("dfsubmit.extraction.extraction.resume", lose)
    assert sum(extracted(crops, faces).crops.values()) == 3
    assert "not in the index, for they are gone: crops/" in capsys.readouterr().err
    rows, _ = read_index(faces)
    assert all((faces / row.crop).is_file() for row in rows)
