"""Models by name: where they are looked for, and what is said where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from dfsubmit.cli import main
from dfsubmit.errors import ModelError
from dfsubmit.models import search
from dfsubmit.models.search import FOLDERS_VARIABLE, find_model, models_at_hand

Make = Callable[[str], Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes what looks like a model folder below the current folder; the package carries none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(search, "CARRIED", "nothing_carried")
    package = tmp_path / "site" / "dfsubmit"
    monkeypatch.setattr("importlib.resources.files", lambda name: package)

    def make(path: str) -> Path:
        folder = tmp_path / path
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"")
        return folder

    return make


def test_the_nearest_place_wins(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CARRIED", "carried")
    monkeypatch.setenv(FOLDERS_VARIABLE, os.pathsep.join(["far", "farther"]))
    for place in ("site/dfsubmit/carried", "farther", "far", "models", "."):
        expected = make(f"{place}/one")
        assert find_model("one") == expected


def test_a_zip_needs_no_suffix(make: Make, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "models" / "packed"), "zip", make("somewhere"))
    assert find_model("packed") == tmp_path / "models" / "packed.zip"


def test_the_error_names_the_paths_the_near_names_and_what_is_there(
    make: Make, tmp_path: Path
) -> None:
    small = make("models/tiny-vit-demo")
    (tmp_path / "models" / "no-weights").mkdir()
    with pytest.raises(ModelError, match="there is no model at tiny-vit-dmeo; tried ") as caught:
        find_model("tiny-vit-dmeo")
    for path in (tmp_path / "tiny-vit-dmeo", tmp_path / "models" / "tiny-vit-dmeo"):
        assert str(path) in caught.value.message
    assert "did you mean 'tiny-vit-demo'?" in caught.value.hint
    assert f"models at hand: tiny-vit-demo ({small})" in caught.value.hint
    assert "no-weights" not in caught.value.hint


def test_a_path_is_not_looked_for_elsewhere(make: Make, tmp_path: Path) -> None:
    make("models/sub/one")
    with pytest.raises(ModelError, match=r"tried [^,]*/sub/one$"):
        find_model("sub/one")


def test_a_run_without_a_model_lists_those_that_would_do(make: Make) -> None:
    result = CliRunner().invoke(main, ["run"])
    assert result.exit_code == 2
    assert "no model is at hand; make one with 'dfsubmit finetune'" in result.output
    folder = make("models/one")
    output = " ".join(CliRunner().invoke(main, ["run"]).output.split())
    assert f"models at hand: one ({folder})" in output


def test_the_clones_small_model_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert models_at_hand()["tiny-vit-demo"] == find_model("tiny-vit-demo")
    shown = CliRunner().invoke(main, ["models"]).output
    assert f"{find_model('tiny-vit-demo')}: ready" in shown
