"""A plugin's executor works on the files of a run or an extraction; the rest stays the run's."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import dfsubmit

from dfsubmit.errors import UsageError
from dfsubmit.extraction.index import read_index
from dfsubmit.hooks.loading import load_plugins
from dfsubmit.output.scores import read_meta, read_scores
from dfsubmit.output.submission import read_submission

# Scores by the first letter, in reverse order, and finds one white face in each file.
PLUGIN = """
import contextlib

from dfsubmit import hooks
from dfsubmit.records import FrameRecord, Kind


class Letters(contextlib.AbstractContextManager):
    def __init__(self, job, fails):
        self.job, self.fails, self.waiting = job, fails, hooks.Waiting()

    def __exit__(self, *error):
        pass

    disk_answers = True

    def load(self):
        from dfsubmit.recipe import Recipe

        from pathlib import Path

        folder = Path(self.job.options.model)
        return hooks.ModelFacts(
            "letters", folder, "0" * 64, False, True, {0: "Real", 1: "Fake"}, 1, "letters",
            "letters.py", Recipe(), 1, "a pen", "exact", warnings=["letters alone decide"],
        )

    def prepare(self, files):
        self.waiting.load = 1.0
        from dataclasses import replace
        return replace(self.load(), warnings=[f"{len(files)} files were shown"])

    def score(self, files, keep, should_stop):
        for file in sorted(files, key=lambda file: file.name, reverse=True):
            assert keep(file) is None
            assert not should_stop()
            if file.name == self.fails:
                yield file, hooks.FileResult(
                    filename=file.name, status=hooks.Status.CRASHED, error="a stone fell"
                )
                continue
            p = (ord(file.name[0]) - ord("a")) / 10
            frames = [FrameRecord(0, 0.0, (0, 0, 9, 9), 1.0, p)]
            yield file, hooks.FileResult(
                filename=file.name, status=hooks.Status.OK, kind=Kind.IMAGE, frames=frames
            )

    def progress(self):
        return hooks.InHand(words="one pen")

    def in_hand(self):
        return []

    def report(self):
        return {"machines": [{"name": "pen"}]}

    def cut(self, files, should_stop=lambda: False):
        import cv2, numpy as np

        assert self.job.settings.recipe.frames == 3
        png = cv2.imencode(".png", np.full((8, 8, 3), 255, np.uint8))[1].tobytes()
        for file in files:
            yield file, hooks.FileScan(), (hooks.EncodedFace(0, 0.0, (0, 0, 8, 8), png),)


class Executor:
    def __init__(self, fails):
        self.fails = fails

    def scorer(self, job):
        return Letters(job, self.fails)

    cutter = scorer


def letters(fails=""):
    return Executor(fails)


@hooks.hookimpl
def register_executors(register):
    register("letters", letters)
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "letters.py").write_text(PLUGIN)
    return folder


def test_a_plugins_executor_scores_a_run(plugins: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("b.jpg", "h.jpg", "x.jpg"):
        (data / name).touch()
    shown = dfsubmit(
        *("run", data, "--model", tmp_path, "--output", tmp_path / "s.csv"),
        *("--plugins-dir", plugins, "--executor", "letters:fails=x.jpg", "--max-failures", "50%"),
    )
    assert read_submission(tmp_path / "s.csv") == [("b.jpg", "0"), ("h.jpg", "1"), ("x.jpg", "0")]
    results = read_scores(tmp_path / "s.scores.jsonl")
    assert [result.p_fake for result in results] == [0.1, 0.7, None]
    assert "crashed: x.jpg: a stone fell" in shown
    meta = read_meta(tmp_path / "s.scores.jsonl")
    assert meta["warnings"] == ["letters alone decide", "3 files were shown"]
    assert (meta["device"], meta["model"]["loader_plugin"]) == ("a pen", "letters.py")
    assert meta["machines"] == [{"name": "pen"}]


def test_a_plugins_executor_cuts_faces(plugins: Path, tmp_path: Path) -> None:
    for label in ("real", "fake"):
        (tmp_path / "set" / label).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "set" / label / "a.png"), np.zeros((9, 9, 3), np.uint8))
    dfsubmit(
        *("extract", tmp_path / "set", tmp_path / "faces", "--frames", 3),
        *("--plugins-dir", plugins, "--executor", "letters"),
    )
    rows, _ = read_index(tmp_path / "faces")
    assert [row.video for row in rows] == ["fake/a.png", "real/a.png"]
    for row in rows:
        crop = cv2.imread(str(tmp_path / "faces" / row.crop))
        assert crop is not None
        assert crop.min() == 255


def test_executors_are_listed_and_found_by_their_names(plugins: Path) -> None:
    listed = json.loads(dfsubmit("plugins", "--plugins-dir", plugins, "--json"))["executors"]
    assert {item["name"] for item in listed} >= {"local", "letters"}
    loaded = load_plugins([plugins])
    for spec, problem in (
        ("lettres", "there is no executor 'lettres'"),
        ("letters:fail=x", "executor 'letters' has no parameter 'fail'"),
        ("letters:", "executor 'letters:': expected"),
    ):
        with pytest.raises(UsageError, match=problem):
            loaded.executor(spec)
    if "ray" not in loaded.executors:
        with pytest.raises(UsageError) as caught:
            loaded.executor("ray")
        assert "pip install ./plugins/dfsubmit-ray" in caught.value.hint
