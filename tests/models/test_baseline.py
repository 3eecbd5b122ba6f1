"""Fetching the baseline: three files by name, its recipe, and a clear failure without a network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from dfsubmit.cli import main
from dfsubmit.errors import DfsubmitError, Exit
from dfsubmit.models.catalogue import FILES, REPOSITORY, fetch_baseline
from dfsubmit.options import BASELINE_MODEL
from dfsubmit.recipe import BUILT_IN, RECIPE_FILE, Recipe, load_recipe

SHIPPED = Path(__file__).resolve().parents[2] / BASELINE_MODEL


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> list[str]:
    """A hub that serves the tiny model's files, and the names that were asked of it."""
    import huggingface_hub

    asked: list[str] = []

    def download(repository: str, name: str, *, local_dir: Path) -> str:
        assert repository == REPOSITORY
        asked.append(name)
        (local_dir / ".cache").mkdir(exist_ok=True)
        return str(shutil.copy(tiny_model / name, local_dir / name))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


def test_fetches_three_files_and_adds_the_recipe(hub: list[str], tmp_path: Path) -> None:
    model = fetch_baseline(tmp_path / "baseline")
    assert tuple(hub) == FILES
    assert {path.name for path in model.path.iterdir()} == {*FILES, RECIPE_FILE}
    assert model.recipe == BUILT_IN["organiser-baseline"]


def test_a_recipe_that_is_there_stays(hub: list[str], tmp_path: Path) -> None:
    (tmp_path / RECIPE_FILE).write_text(Recipe(name="mine").to_json())
    assert fetch_baseline(tmp_path).recipe.name == "mine"


def test_without_a_network_it_says_how_to_copy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    def offline(*_: object, **__: object) -> str:
        raise OSError("Name or service not known\nand a page of advice")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(DfsubmitError) as caught:
        fetch_baseline(tmp_path / "baseline")
    assert caught.value.exit_code == Exit.FAILED_CHECK
    assert caught.value.message.endswith("OSError: Name or service not known")
    assert "by hand" in caught.value.hint


def test_the_command_fetches_into_the_default_folder(
    hub: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["models", "fetch", "baseline"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / BASELINE_MODEL / "model.safetensors").is_file()


def test_the_shipped_folder_has_the_organisers_recipe() -> None:
    assert load_recipe(SHIPPED) == BUILT_IN["organiser-baseline"]
    assert "models fetch baseline" in (SHIPPED / "README.md").read_text(encoding="utf-8")
