"""A run's metadata explain it: what it was made of, and what it came to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dfsubmit import RunOptions, __version__, run
from dfsubmit.hooks.execution import Waiting
from dfsubmit.models.folder import hash_model
from dfsubmit.output.metadata import describe_outcome, package_versions
from dfsubmit.output.scores import read_meta
from dfsubmit.output.summary import RunSummary
from dfsubmit.output.tally import Tally
from dfsubmit.recipe import Recipe
from dfsubmit.records import FileResult, Kind, Status


@pytest.fixture(scope="module")
def summary(
    samples: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunSummary:
    """A run on two pictures, one without a face, and a plugin that does not load."""
    folder = tmp_path_factory.mktemp("run")
    data, plugins = folder / "data", folder / "plugins"
    data.mkdir()
    plugins.mkdir()
    for name in ("face.jpg", "no_face.jpg"):
        (data / name).write_bytes((samples / name).read_bytes())
    (data / "folder.mp4").mkdir()
    (plugins / "broken.py").write_text("1 / 0")
    options = RunOptions(
        tiny_model, data, folder / "out.csv", fallback=None, frames=3, tta="flip", workers=1,
        plugins_dir=(str(plugins),), progress=False,
    )  # fmt: skip
    return run(options)


def test_what_is_on_disk_is_what_the_summary_holds(summary: RunSummary) -> None:
    on_disk = read_meta(summary.submission.with_name("out.scores.jsonl"))
    assert on_disk == {**json.loads(json.dumps(summary.meta)), "provisional": 0}


def test_what_the_run_was_made_of(summary: RunSummary, tiny_model: Path) -> None:
    meta = summary.meta
    assert meta["dfsubmit"] == __version__
    assert meta["packages"]["numpy"] == np.__version__
    assert meta["model"]["sha256"] == hash_model(tiny_model)
    assert meta["model"]["id2label"] == {"0": "Real", "1": "Fake"}
    assert (meta["model"]["fake_class"], meta["model"]["untrained"]) == ("Fake", True)
    assert Recipe.from_dict(meta["recipe"]) == Recipe(frames=3)
    assert meta["recipe_known"]
    assert (meta["aggregator"], meta["aggregator_plugin"]) == ("mean", "dfsubmit.scoring.aggregate")
    assert meta["decision"]["threshold"] == 0.5
    assert meta["tta"] == "flip"


def test_what_the_user_should_know_is_in_it(summary: RunSummary) -> None:
    meta = summary.meta
    assert any("UNTRAINED" in warning for warning in meta["warnings"])
    assert any("frames 40 → 3" in warning for warning in meta["warnings"])
    assert meta["passed_over"] == ["folder.mp4"]
    ((plugin, error),) = meta["plugin_failures"].items()
    assert plugin.endswith("broken.py")
    assert "ZeroDivisionError" in error


def test_what_the_run_came_to(summary: RunSummary) -> None:
    meta = summary.meta
    assert (meta["files"], meta["complete"], meta["resumed"]) == (2, True, 0)
    assert meta["statuses"] == {"ok": 1, "no_face": 1}
    assert sum(meta["labels"].values()) == 2
    assert meta["frames_classified"] == 1
    seconds = meta["seconds"]
    assert seconds["total"] >= seconds["load"] + seconds["classify"]
    assert min(seconds["load"], seconds["classify"]) > 0


def test_outcomes_are_added_up(make_result: Callable[..., FileResult]) -> None:
    results = [
        make_result("a", 0.2, 0.9, 0.9, frames_skipped=7, thinned=True),
        make_result("b", 0.2, aggregator_fallback=True),
        make_result("c", status=Status.TIMEOUT, label=1),
        FileResult(filename="d", kind=Kind.IMAGE),
    ]
    meta = describe_outcome(Tally.of(results), Waiting(3.0, 1.5, 0.25), 60.0)
    assert meta["complete"] is False
    assert meta["statuses"] == {"ok": 2, "timeout": 1, "pending": 1}
    assert meta["labels"] == {"0": 2, "1": 2}
    assert (meta["aggregator_fallbacks"], meta["thinned"]) == (1, 1)
    assert (meta["frames_classified"], meta["frames_skipped"]) == (4, 7)
    seconds = meta["seconds"]
    assert (seconds["decode"], seconds["detect"], seconds["classify"]) == (1.5, 3.75, 0.375)
    assert (seconds["total"], seconds["load"]) == (60.0, 3.0)
    assert (seconds["model_waited"], seconds["workers_waited"]) == (1.5, 0.25)


def test_only_installed_packages_have_versions() -> None:
    versions = package_versions()
    assert {"torch", "transformers", "numpy"} <= set(versions)
    assert all(versions.values())
