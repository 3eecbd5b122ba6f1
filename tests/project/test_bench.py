"""The benchmark's own arithmetic: ratios within a round, agreement, cost of a process tree."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import bench
from benchmarks.bench import MODES, NAIVE
from benchmarks.measure import measure
from benchmarks.report import overlap, ratios, write_report
from dfsubmit.cli.run import command

BOX = [10, 10, 30, 30]


def result(mode: str, number: int, wall: float, **file: object) -> dict[str, object]:
    files = {"a.mp4": {"p_fake": 0.6, "label": 1, "boxes": [BOX], **file}}
    seconds = {"decode": 1, "detect": 2, "classify": wall / 2, "model_waited": 0.25}
    extra = {"frames_classified": 40, "frames_skipped": 3, "seconds": seconds, "own_cpu": wall}
    if mode == NAIVE:
        extra = {}
    return {
        "mode": mode, "round": number, "wall": wall, "cpu": 2 * wall, "peak": 2**20,
        "busy": 0.75, "files": files, **extra,
    }  # fmt: skip


def test_the_modes_options_are_those_of_run(tmp_path: Path) -> None:
    params = {}
    for name, mode in MODES.items():
        arguments = [str(tmp_path), "--model", str(tmp_path), *mode.options]
        params[name] = command.make_context("run", arguments).params  # refuses what is no option
    plain, paged = params["c exact, torch"], params["c exact, torch, report page"]
    assert {key for key in plain if plain[key] != paged[key]} == {"report"}


def test_modes_warm_up_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run refuses to replace the submission of another model, and modes have two."""
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.mp4").touch()
    folders = []

    def run_mode(name: str, model: Path, media: Path, out: Path) -> dict[str, object]:
        assert [path.name for path in media.iterdir()] == ["a.mp4"]
        assert out.is_dir()
        folders.append(out)
        return {}

    monkeypatch.setattr(bench, "run_mode", run_mode)
    bench.warm_up(["x", "y", "z"], tmp_path / "model", tmp_path / "media", tmp_path / "warm-up")
    assert len(set(folders)) == 3


def test_ratios_pair_the_runs_of_a_round() -> None:
    results = [result(NAIVE, 0, 10), result("c", 0, 5), result(NAIVE, 1, 30), result("c", 1, 10)]
    assert ratios(results, "c", NAIVE, "wall") == [2, 3]


def test_boxes_that_do_not_touch_do_not_overlap() -> None:
    assert overlap(BOX, BOX) == 1
    assert overlap(BOX, [20, 10, 40, 30]) == pytest.approx(1 / 3)
    assert overlap(BOX, [31, 10, 40, 30]) == 0


def test_a_flipped_label_a_moved_box_and_a_lost_face_are_told(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    results = [
        result(NAIVE, 0, 10),
        result("same", 0, 5),
        result("flipped", 0, 5, p_fake=0.4, label=0),
        result("lost", 0, 5, boxes=[]),
    ]
    rows = write_report(results, NAIVE, tmp_path).splitlines()[:6]
    assert (tmp_path / "ratios.png").stat().st_size > 0
    assert "| 75 % |" in rows[3]
    assert rows[3].endswith("| 1/1 | 0.0e+00 | 1.000 | 0 |")
    assert rows[4].endswith("| 0/1 | 2.0e-01 | 1.000 | 0 |")
    assert rows[5].endswith("| 1/1 | 0.0e+00 |  | 1 |")


def test_the_stages_of_each_mode_but_the_naive_are_told(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    results = [result(NAIVE, 0, 10), result("c", 0, 5), result("c", 1, 7), result("c", 2, 6)]
    stages = write_report(results, NAIVE, tmp_path).split("\n\n")[1].splitlines()
    assert stages[2:] == ["| c | 1.0 | 2.0 | 3.0 | 6.0 | 6.0 | 0.2 | 0.0 | 40 | 3 |"]


def test_another_models_labels_are_not_compared(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    results = [result(NAIVE, 0, 10), {**result("f", 0, 5, label=0), "agreeing": True}]
    assert write_report(results, NAIVE, tmp_path).splitlines()[3].endswith("|  |  |  |  |")


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="no Linux /proc")
def test_a_command_and_its_children_are_measured_together(tmp_path: Path) -> None:
    child = "x = bytearray(60 * 2**20); import time; time.sleep(2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    cost = measure([sys.executable, "-c", parent], tmp_path / "log")
    assert cost.peak > 60 * 2**20
    assert cost.wall >= 2
    assert cost.cpu >= cost.own_cpu > 0
    assert 0 <= cost.busy <= 1
    with pytest.raises(RuntimeError, match="exit code 3"):
        measure([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log")
