"""`run` as a whole: a folder in, a valid submission out, whatever happens on the way."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from dfsubmit import DfsubmitError, RunOptions, run, validate_submission
from dfsubmit.errors import Exit, ModelError, UsageError
from dfsubmit.output.scores import read_meta, read_scores
from dfsubmit.output.summary import RunSummary
from dfsubmit.recipe import RECIPE_FILE, Recipe
from dfsubmit.records import FileResult, Status

pytestmark = pytest.mark.slow


def options(tiny_model: Path, data: Path, output: Path, **changes: Any) -> RunOptions:
    base = RunOptions(
        model=tiny_model, data=data, output=output, fallback=None, frames=4, progress=False
    )
    return dataclasses.replace(base, **changes)


@pytest.fixture(scope="module")
def finished(
    tiny_model: Path, samples: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunSummary:
    """A plain run over the samples."""
    output = tmp_path_factory.mktemp("run") / "submission.csv"
    return run(options(tiny_model, samples, output, workers=2))


def by_name(results: list[FileResult]) -> dict[str, FileResult]:
    return {result.filename: result for result in results}


def test_every_file_has_a_row_and_the_submission_is_valid(
    finished: RunSummary, samples: Path
) -> None:
    assert validate_submission(finished.submission, samples) == []
    with finished.submission.open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["filename", "label"]
    assert [row[0] for row in rows[1:]] == sorted(path.name for path in samples.iterdir())


def test_scores_and_metadata_lie_beside_it(finished: RunSummary) -> None:
    scores = finished.submission.with_name("submission.scores.jsonl")
    results = by_name(read_scores(scores))
    video = results["pan.mp4"]
    assert (video.status, video.frames_asked, len(video.frames)) == (Status.OK, 4, 4)
    assert video.p_fake == pytest.approx(sum(f.p_fake for f in video.frames) / 4)
    assert [frame.time for frame in video.frames] == sorted(frame.time for frame in video.frames)
    meta = read_meta(scores)
    assert meta["complete"] is True
    assert meta["provisional"] == 0
    assert meta["model"]["fake_class"] == "Fake"
    assert meta["model"]["untrained"] is True
    assert meta["recipe"]["frames"] == 4
    assert meta["statuses"] == {"ok": 9, "no_face": 1, "unreadable": 2}
    assert meta["seconds"]["detect"] > 0


def test_failures_have_the_failure_label_and_set_the_exit_code(
    finished: RunSummary, tiny_model: Path, samples: Path, tmp_path: Path
) -> None:
    assert finished.exit_code == Exit.TOO_MANY_FAILURES
    assert by_name(finished.results)["broken.mp4"].label == 0
    data = tmp_path / "data"
    data.mkdir()
    for name in ("broken.mp4", "face.jpg"):
        shutil.copy(samples / name, data / name)
    summary = run(
        options(
            tiny_model, data, tmp_path / "s.csv", failure_label="fake", max_failures=0.5, workers=1
        )
    )
    assert by_name(summary.results)["broken.mp4"].label == 1
    assert summary.exit_code == Exit.OK


def test_an_override_of_the_recipe_warns_and_none_does_not(
    finished: RunSummary, tiny_model: Path, tmp_path: Path
) -> None:
    assert any("frames 40 → 4" in warning for warning in finished.meta["warnings"])
    (tmp_path / "data").mkdir()
    (tmp_path / "data/notes.txt").touch()
    summary = run(options(tiny_model, tmp_path / "data", tmp_path / "s.csv", frames=None))
    assert not any("recipe" in warning for warning in summary.meta["warnings"])
    assert Recipe.from_dict(summary.meta["recipe"]) == Recipe()


def test_the_models_own_recipe_is_obeyed(tiny_model: Path, samples: Path, tmp_path: Path) -> None:
    model, data = tmp_path / "model", tmp_path / "data"
    shutil.copytree(tiny_model, model)
    data.mkdir()
    shutil.copy(samples / "pan.mp4", data / "pan.mp4")
    (model / RECIPE_FILE).write_text(Recipe(name="own", frames=3).to_json())
    (result,) = run(options(model, data, tmp_path / "s.csv", frames=None, workers=1)).results
    assert result.frames_asked == 3


def test_the_fallback_is_used_loudly_with_its_own_recipe(
    tiny_model: Path, samples: Path, tmp_path: Path
) -> None:
    fallback, data = tmp_path / "fallback", tmp_path / "data"
    shutil.copytree(tiny_model, fallback)
    (fallback / RECIPE_FILE).write_text(Recipe(name="theirs", frames=2).to_json())
    data.mkdir()
    shutil.copy(samples / "face.jpg", data / "face.jpg")
    said: list[str] = []
    summary = run(
        options(tmp_path / "missing", data, tmp_path / "s.csv", fallback=fallback, frames=None),
        say=said.append,
    )
    assert summary.exit_code == Exit.FALLBACK_USED
    assert summary.meta["recipe"]["name"] == "theirs"
    assert "missing" in summary.meta["fallback_reason"]
    assert any("FALLBACK" in line for line in said)


def test_no_media_is_touched_when_no_model_loads(samples: Path, tmp_path: Path) -> None:
    missing = RunOptions(
        model=tmp_path / "a", fallback=tmp_path / "b", data=samples, output=tmp_path / "s.csv"
    )
    with pytest.raises(ModelError) as raised:
        run(missing)
    for remedy in ("dfsubmit finetune", "dfsubmit models fetch baseline", "tiny-vit-demo"):
        assert remedy in raised.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"failure_label": "maybe"},
        {"no_face": "guess"},
        {"time_limit": 0.0},
        {"aggregator": "meen"},
        {"device": "tpu"},
    ],
)
def test_options_that_make_no_sense_are_usage_errors(
    tiny_model: Path, samples: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        run(options(tiny_model, samples, tmp_path / "s.csv", **changes))


def test_a_missing_data_folder_is_named(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        run(options(tiny_model, tmp_path / "nowhere", tmp_path / "s.csv"))


def test_a_plugin_file_aggregates(
    finished: RunSummary, tiny_model: Path, samples: Path, tmp_path: Path
) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "highest.py").write_text(
        "from dfsubmit import hookimpl\n"
        "def highest(scores, scale=1.0):\n"
        "    return float(scores.p_fake.max()) * scale\n"
        "def broken(scores):\n"
        "    raise RuntimeError('no')\n"
        "@hookimpl\n"
        "def register_aggregators(register):\n"
        "    register('highest', highest)\n"
        "    register('broken', broken)\n"
    )
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(samples / "pan.mp4", data / "pan.mp4")
    frames = [frame.p_fake for frame in by_name(finished.results)["pan.mp4"].frames]
    common = {"plugins_dir": (str(tmp_path / "plugins"),), "workers": 1}
    halved = run(
        options(tiny_model, data, tmp_path / "a.csv", aggregator="highest:scale=0.5", **common)
    )
    assert halved.results[0].p_fake == pytest.approx(max(frames) / 2, abs=1e-6)
    broken = run(options(tiny_model, data, tmp_path / "b.csv", aggregator="broken", **common))
    assert broken.results[0].p_fake == pytest.approx(sum(frames) / 4, abs=1e-6)
    assert broken.meta["aggregator_fallbacks"] == 1


def test_early_exit_gives_the_labels_of_the_full_run(
    finished: RunSummary, tiny_model: Path, samples: Path, tmp_path: Path
) -> None:
    summary = run(options(tiny_model, samples, tmp_path / "s.csv", early_exit=True, workers=2))
    full = by_name(finished.results)
    assert {r.filename: r.label for r in summary.results} == {n: r.label for n, r in full.items()}
    stopped = [result for result in summary.results if result.frames_skipped]
    assert stopped
    for result in stopped:
        assert result.p_fake is None
        assert result.bounds is not None
        low, high = result.bounds
        exact = full[result.filename].p_fake
        assert exact is not None
        assert low - 1e-6 <= exact <= high + 1e-6


def test_a_killed_worker_leaves_a_complete_submission(
    finished: RunSummary, tiny_model: Path, samples: Path, tmp_path: Path
) -> None:
    process = start_run(tiny_model, samples, tmp_path)
    wait_for_rows(tmp_path / "s.journal.jsonl", 1, process)
    killed = 0
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
            killed += 1
    process.wait(timeout=300)
    assert killed
    assert process.returncode == Exit.TOO_MANY_FAILURES
    results = by_name(read_scores(tmp_path / "s.scores.jsonl"))
    assert validate_submission(tmp_path / "s.csv", samples) == []
    assert {name: result.label for name, result in results.items()} == {
        result.filename: result.label for result in finished.results
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_submittable_and_resumable(
    finished: RunSummary,
    tiny_model: Path,
    samples: Path,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    process = start_run(tiny_model, samples, tmp_path)
    wait_for_rows(tmp_path / "s.journal.jsonl", 1, process)
    process.send_signal(number)
    process.wait(timeout=60)
    assert process.returncode == Exit.INTERRUPTED
    assert validate_submission(tmp_path / "s.csv", samples) == []
    meta = json.loads((tmp_path / "s.meta.json").read_text())
    assert meta["provisional"] > 0
    assert meta["complete"] is False
    resumed = run(options(tiny_model, samples, tmp_path / "s.csv", workers=2))
    assert resumed.meta["resumed"] >= 1
    assert (tmp_path / "s.csv").read_bytes() == finished.submission.read_bytes()
    assert not (tmp_path / "s.journal.jsonl").exists()


def test_two_runs_on_one_output_are_refused(
    tiny_model: Path, samples: Path, tmp_path: Path
) -> None:
    process = start_run(tiny_model, samples, tmp_path)
    try:
        wait_for_rows(tmp_path / "s.journal.jsonl", 0, process)
        with pytest.raises(DfsubmitError, match="another run"):
            run(options(tiny_model, samples, tmp_path / "s.csv"))
    finally:
        process.kill()
        process.wait()


def start_run(model: Path, data: Path, folder: Path) -> subprocess.Popen[bytes]:
    """``dfsubmit run`` as a process of its own."""
    output = folder / "s.csv"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "dfsubmit",
        "run",
        data,
        "--model",
        model,
        "--output",
        output,
    ]
    command += "--no-fallback --frames 4 --workers 2 --no-progress".split()
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for_rows(journal: Path, rows: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a run has noted so many files."""
    while process.poll() is None:
        if journal.exists() and len(journal.read_text().splitlines()) > rows:
            return
        time.sleep(0.05)
    pytest.fail("the run ended before it could be disturbed")
