"""`dfsubmit models` says of every folder whether it can be run, and why not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from dfsubmit.cli import main
from dfsubmit.models.catalogue import ModelState, list_models
from dfsubmit.options import BASELINE_MODEL


@pytest.fixture
def models(tmp_path: Path, tiny_model: Path) -> Path:
    """A folder with one good model and five that cannot be run, or not without a word."""
    root = tmp_path / "models"
    for name in ("good", "no_recipe", "no_weights", "ambiguous"):
        shutil.copytree(tiny_model, root / name)
    shutil.make_archive(str(root / "zipped"), "zip", tiny_model)
    (root / "no_recipe" / "dfsubmit_recipe.json").unlink()
    (root / "no_weights" / "model.safetensors").unlink()
    config = json.loads((root / "ambiguous" / "config.json").read_text())
    config["id2label"] = {"0": "cat", "1": "dog"}
    (root / "ambiguous" / "config.json").write_text(json.dumps(config))
    (root / BASELINE_MODEL.name).mkdir()
    (root / "README.md").write_text("no model\n")
    (root / ".hidden").mkdir()
    return root


def test_every_folder_and_zip_has_a_state(
    models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where zips are unpacked
    states = {state.path.name: state for state in list_models(models)}
    assert set(states) == {
        "good",
        "no_recipe",
        "no_weights",
        "ambiguous",
        "zipped.zip",
        BASELINE_MODEL.name,
    }
    untrained = "ready, but untrained: its labels mean nothing"
    good = ModelState(models / "good", True, untrained, "dfsubmit", "Fake")
    assert states["good"] == good
    assert states["zipped.zip"].ready
    assert states["no_recipe"].ready
    assert states["no_recipe"].recipe == ""
    assert states["no_weights"].state == "no weights"
    assert "cannot be told" in states["ambiguous"].state
    assert "dfsubmit models fetch baseline" in states[BASELINE_MODEL.name].state


def test_no_folder_no_models(tmp_path: Path) -> None:
    assert list_models(tmp_path / "nowhere") == []
    result = CliRunner().invoke(main, ["models", "--folder", str(tmp_path / "nowhere")])
    assert result.exit_code == 0
    assert "no models" in result.output


def test_json_lists_the_same(models: Path) -> None:
    result = CliRunner().invoke(main, ["models", "--folder", str(models), "--json"])
    listing = {Path(item["path"]).name: item["ready"] for item in json.loads(result.output)}
    assert listing["good"] is True
    assert listing["no_weights"] is False
