"""What is lost while a run goes on is done elsewhere, or by the next run; no row is lost."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from commands import dfsubmit, start

from dfsubmit import RunOptions, run
from dfsubmit.extraction.index import read_index
from dfsubmit.extraction.journal import JOURNAL
from dfsubmit.output.summary import RunSummary
from dfsubmit.records import Status
from dfsubmit.scoring.timelimit import TimePlan

ray = pytest.importorskip("ray", reason="the cluster needs Ray: pip install 'ray>=2.50,<3'")

pytestmark = pytest.mark.slow

# A white picture ends its worker as a broken decoder would. A black one takes as long as there is a
# file called hold, and on a machine with DOOMED in its environment all of them take for ever.
PLUGIN = """
import os, signal, time
from pathlib import Path

from dfsubmit.hooks import FoundFace, hookimpl

HERE = Path(__file__).parent


def detect(picture, upsampling):
    if picture.min() == 255:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "DOOMED" in os.environ:
        (HERE / "taken").touch()
        time.sleep(600)
    while picture.max() == 0 and (HERE / "hold").exists():
        time.sleep(0.05)
    height, width = picture.shape[:2]
    return [FoundFace((0, 0, width, height), 1.0)]


@hookimpl
def register_detectors(register):
    register("fragile", lambda: detect)
"""

Same = Callable[[RunSummary, RunSummary], None]


@dataclass(frozen=True)
class Setting:
    """Pictures, the plugin, and how they are scored."""

    model: Path
    data: Path
    plugins: Path
    recipe: Path

    def options(self, output: Path, **changes: Any) -> RunOptions:
        """Of a run."""
        return RunOptions(
            self.model, self.data, output, fallback=None, loader="huggingface", workers=1,
            batch_size=1, recipe=self.recipe, plugins_dir=(str(self.plugins),), progress=False,
            **changes,
        )  # fmt: skip

    def command(self, output: Path, executor: str) -> list[object]:
        """The same as a command."""
        return [
            "run", self.data, "--model", self.model, "--output", output, "--no-fallback",
            "--loader", "huggingface", "--workers", 1, "--batch-size", 1, "--recipe", self.recipe,
            "--plugins-dir", self.plugins, "--no-progress", "--executor", executor,
        ]  # fmt: skip


@pytest.fixture(scope="module")
def setting(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Setting:
    """A black picture, a white one, and six in colours."""
    folder = tmp_path_factory.mktemp("faults")
    made = Setting(tiny_model, folder / "data", folder / "plugins", folder / "recipe.json")
    made.data.mkdir()
    made.plugins.mkdir()
    random = np.random.default_rng(0)
    for name in ("black", "white", *"abcdef"):
        picture = np.full((64, 64, 3), 255 if name == "white" else 0, np.uint8)
        if len(name) == 1:
            picture[:] = random.integers(1, 250, 3)
        cv2.imwrite(str(made.data / f"{name}.png"), picture)
    (made.plugins / "fragile.py").write_text(PLUGIN)
    made.recipe.write_text(json.dumps({"detector": "fragile"}))
    return made


@pytest.fixture(scope="module")
def alone(setting: Setting, tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    """The pictures, scored by one machine."""
    return run(setting.options(tmp_path_factory.mktemp("alone") / "s.csv"))


def wait_for(happened: Callable[[], bool]) -> None:
    """At most ten minutes: a busy machine loads models slowly."""
    end = time.monotonic() + 600
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextlib.contextmanager
def doomed_machine(cluster: Any, setting: Setting) -> Iterator[None]:
    """A fourth machine, which is lost when it processes its first file."""
    taken = setting.plugins / "taken"
    taken.unlink(missing_ok=True)
    doomed = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20, env_vars={"DOOMED": "1"})
    cluster.wait_for_nodes()

    def pull_the_plug() -> None:
        try:
            wait_for(taken.exists)
        finally:
            cluster.remove_node(doomed, allow_graceful=False)

    thread = threading.Thread(target=pull_the_plug)
    thread.start()
    yield
    thread.join()
    assert taken.exists()
    # Ray may notice the loss some seconds later; the next test would get this machine until then.
    wait_for(lambda: sum(node["Alive"] for node in ray.nodes()) == 3)


def test_a_lost_machines_files_go_to_the_others(
    cluster: Any, setting: Setting, alone: RunSummary, check_same: Same, tmp_path: Path
) -> None:
    said: list[str] = []
    with doomed_machine(cluster, setting):
        summary = run(
            setting.options(tmp_path / "s.csv", executor="ray:machines=4,share=1"), said.append
        )
    check_same(summary, alone)
    machines = summary.meta["machines"]
    assert sum(machine["files"] for machine in machines) == 8
    (lost,) = [machine for machine in machines if machine["lost"]]
    assert (lost["files"], lost["losses"]) == (0, 1)
    assert sum("was lost while it processed 1 file" in line for line in said) == 1


def test_an_extraction_that_loses_a_machine_loses_no_face(
    cluster: Any, setting: Setting, tmp_path: Path
) -> None:
    for name in "abcdef":
        folder = tmp_path / "set" / ("real" if name < "d" else "fake")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(setting.data / f"{name}.png", folder)
    common = (
        "extract", tmp_path / "set", "--recipe", setting.recipe, "--plugins-dir", setting.plugins,
        "--workers", 1, "--no-progress",
    )  # fmt: skip
    dfsubmit(*common, tmp_path / "alone")
    with doomed_machine(cluster, setting):
        dfsubmit(*common, tmp_path / "many", "--executor", "ray:machines=4,share=1")
    ours, theirs = tmp_path / "many", tmp_path / "alone"
    assert (ours / "faces.csv").read_bytes() == (theirs / "faces.csv").read_bytes()
    rows, _ = read_index(ours)
    assert len(rows) == 6
    for row in rows:
        assert (ours / row.crop).read_bytes() == (theirs / row.crop).read_bytes()
    # One line for the settings, and one for each file.
    assert (ours / JOURNAL).read_bytes().count(b"\n") == 7


def test_a_killed_drivers_run_is_finished_by_the_same_command(
    cluster: Any, setting: Setting, alone: RunSummary, check_same: Same, tmp_path: Path
) -> None:
    (setting.plugins / "hold").touch()
    journal = tmp_path / "s.journal.jsonl"
    spec = f"ray:address={cluster.address},machines=2,share=1"
    driver = start(*setting.command(tmp_path / "s.csv", spec))
    try:
        # The conditions, and two files; the black picture is in hand.
        wait_for(
            lambda: (
                driver.poll() is not None
                or (journal.exists() and journal.read_bytes().count(b"\n") >= 3)
            )
        )
    finally:
        driver.kill()
        (setting.plugins / "hold").unlink()
    output, _ = driver.communicate()
    assert driver.returncode == -signal.SIGKILL, output
    # Its actors hold the machines' CPUs until Ray has ended them.
    summary = run(setting.options(tmp_path / "s.csv", executor=spec))
    assert 2 <= summary.meta["resumed"] < 8
    check_same(summary, alone)


def test_a_segfault_costs_its_file_alone_and_paths_may_be_relative(
    cluster: Any,
    setting: Setting,
    alone: RunSummary,
    check_same: Same,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(setting.data.parent)
    relative = Setting(
        Path(os.path.relpath(setting.model)), Path("data"), Path("plugins"), Path("recipe.json")
    )
    output = Path(os.path.relpath(tmp_path / "s.csv"))
    # Two shares: one machine has the white picture among others.
    summary = run(relative.options(output, executor="ray:machines=2,share=4", report=True))
    check_same(summary, alone)
    found = {result.filename: result.status for result in summary.results}
    assert found.pop("white.png") is Status.CRASHED
    assert set(found.values()) == {Status.OK}
    assert not any(machine["losses"] for machine in summary.meta["machines"])
    # The pictures of all files but the white one were sent to the driver.
    assert len(list((tmp_path / "s.pictures").glob("*.zip"))) == 7


def test_a_run_that_a_time_limit_ended_is_finished_by_one_machine(
    cluster: Any,
    setting: Setting,
    alone: RunSummary,
    check_same: Same,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (setting.plugins / "hold").touch()
    journal = tmp_path / "s.journal.jsonl"
    output = tmp_path / "s.csv"
    # Over when three files are done, of which one may be the white picture.
    with monkeypatch.context() as patch:
        patch.setattr(TimePlan, "over", lambda plan: journal.read_bytes().count(b"\n") >= 4)
        try:
            summary = run(
                setting.options(output, time_limit=3600.0, executor="ray:machines=2,share=1")
            )
        finally:
            (setting.plugins / "hold").unlink()
    found = {result.filename: result.status for result in summary.results}
    assert len(found) == 8
    assert found["black.png"] is Status.PENDING
    assert 2 <= sum(status is Status.OK for status in found.values()) < 7
    finished = run(setting.options(output))
    assert finished.meta["resumed"] >= 2
    check_same(finished, alone)
