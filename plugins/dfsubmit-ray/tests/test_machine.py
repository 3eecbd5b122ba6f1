"""An actor's machine: what is sent to it, what it sends back, and what stays on its disk."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dfsubmit.faces.pictures import read_pictures
from dfsubmit.hooks import ModelFacts, ScoreJob
from dfsubmit.options import RunOptions, picture_file, pictures_path
from dfsubmit.records import MediaFile, Status

pytest.importorskip("ray", reason="the executor needs Ray: pip install 'ray>=2.50,<3'")

from dfsubmit_ray.machine import Machine
from dfsubmit_ray.scratch import Scratch

HOLDER = """
import sys, time
from pathlib import Path

from dfsubmit_ray.scratch import Scratch

print(Scratch(Path(sys.argv[1])).path, flush=True)
time.sleep(600)
"""


def test_a_killed_actors_folder_is_removed_by_the_next_and_a_living_ones_is_not(
    tmp_path: Path,
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        held = Path(holder.stdout.readline().strip())
        (held / "model").mkdir()
        mine = Scratch(tmp_path)
        assert set(tmp_path.iterdir()) == {held, mine.path}
    finally:
        holder.kill()
        assert holder.wait() == -signal.SIGKILL
    another = Scratch(tmp_path)
    assert set(tmp_path.iterdir()) == {mine.path, another.path}
    mine.remove()
    another.remove()
    assert not list(tmp_path.iterdir())


def test_what_is_sent_is_used_and_only_results_and_pictures_are_left(
    tmp_path: Path, tiny_model: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = io.BytesIO()
    with zipfile.ZipFile(model, "w") as archive:
        for path in tiny_model.iterdir():
            archive.write(path, f"outer/{tiny_model.name}/{path.name}")
    elsewhere = Path("/nowhere/outer")  # on the driver's disk alone
    asked = RunOptions(
        elsewhere, fallback=None, workers=1, frames=2, report=True, progress=False,
        output="/nowhere/submission.csv",
    )  # fmt: skip
    machine = Machine(ScoreJob(asked, 1), model.getvalue())
    try:
        facts = machine.load()
        assert isinstance(facts, ModelFacts)
        assert facts.folder == elsewhere / tiny_model.name
        photo = samples / "face.jpg"
        content = photo.read_bytes()
        file = MediaFile(
            Path("/nowhere/face.jpg"), "face.jpg", len(content), photo.stat().st_mtime_ns
        )
        ((_, result, pictures),) = machine.score([(file, None, content)])
    finally:
        machine.close()
    assert (result.status, len(result.frames)) == (Status.OK, 1)
    assert pictures is not None
    folder = pictures_path(tmp_path / "here.csv")
    folder.mkdir()
    picture_file(folder, "face.jpg").write_bytes(pictures)
    found = read_pictures(folder, "face.jpg")
    assert found is not None
    assert len(found.crops) == 1
    assert not list(tmp_path.glob("dfsubmit-*"))
