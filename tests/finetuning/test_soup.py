"""Several fine-tuned models become one: their mean, judged on what none of them learned from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import dfsubmit
from crops import write_faces
from safetensors.torch import load_file, save_file
from tiny_networks import save_tiny

from dfsubmit.models.folder import open_model

OPTIONS = ["--no-progress", "--workers", 0, "--batch-size", 4, "--lr", "1e-2", "--device", "cpu"]


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Faces, a base, and two models of it with different seeds and one split."""
    root = tmp_path_factory.mktemp("kitchen")
    faces, base = write_faces(root / "faces"), save_tiny("vit", root / "base")
    for seed in (1, 2):
        options = ["--base", base, "--seed", seed, "--split-seed", 0, "--epochs", 1]
        dfsubmit("finetune", faces, "--output", root / f"m{seed}", *OPTIONS, *options)
    return root


def soup(kitchen: Path, output: Path, *models: Path, code: int = 0) -> str:
    names = models or (kitchen / "m1", kitchen / "m2")
    options = ["--faces", kitchen / "faces", "--output", output, "--no-progress"]
    return dfsubmit("soup", *names, *options, code=code)


def test_a_soup_is_the_mean_and_says_the_figures_of_all(kitchen: Path, tmp_path: Path) -> None:
    text = soup(kitchen, tmp_path / "soup")
    lines = text.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        str(kitchen / "m1"),
        str(kitchen / "m2"),
        "soup",
        "model",
        "next",
    ]
    states = [
        load_file(path / "model.safetensors")
        for path in (kitchen / "m1", kitchen / "m2", tmp_path / "soup")
    ]
    assert any(not value.equal(states[1][name]) for name, value in states[0].items())
    for name, value in states[2].items():
        torch.testing.assert_close(value, (states[0][name] + states[1][name]) / 2)
    model = open_model(tmp_path / "soup")
    assert model.recipe_known
    assert model.id2label == {0: "Real", 1: "Fake"}
    data = json.loads((tmp_path / "soup/metrics.json").read_text())
    # What fine-tuning said of the parts on the same faces.
    for name in ("m1", "m2"):
        own = json.loads((kitchen / name / "metrics.json").read_text())["validation"]
        for key, value in data["validation"][str(kitchen / name)].items():
            assert value == pytest.approx(own[key], abs=1e-6)
    assert "| m1 |" in (tmp_path / "soup/README.md").read_text()
    assert "holds a model already" in soup(kitchen, tmp_path / "soup", code=2)


def edited(change: Callable[[dict[str, Any]], None], name: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        data = json.loads((folder / name).read_text())
        change(data)
        (folder / name).write_text(json.dumps(data))

    return edit


def with_batch_norm(folder: Path) -> None:
    path = folder / "model.safetensors"
    state = load_file(path) | {"norm.running_mean": torch.zeros(2)}
    save_file(state, path, metadata={"format": "pt"})


def learned_from_all(folder: Path) -> None:
    path = folder / "split.csv"
    path.write_text(path.read_text().replace("val,", "learn,"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            edited(lambda d: d.update(margin=0.1), "dfsubmit_recipe.json"),
            "different recipes: margin",
        ),
        (edited(lambda d: d.update(origin="other"), "metrics.json"), "from other"),
        (edited(lambda d: d.update(num_hidden_layers=1), "config.json"), "num_hidden_layers"),
        (edited(lambda d: d.update(resample=3), "preprocessor_config.json"), "resample"),
        (lambda folder: (folder / "metrics.json").unlink(), "does not say what"),
        (with_batch_norm, "batch normalisation"),
        (learned_from_all, "--split-seed"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    kitchen: Path, tmp_path: Path, change: Callable[[Path], None], said: str
) -> None:
    other = Path(shutil.copytree(kitchen / "m2", tmp_path / "other"))
    change(other)
    assert said in soup(kitchen, tmp_path / "soup", kitchen / "m1", other, code=2)
    assert not (tmp_path / "soup").exists()


def test_one_model_is_no_soup(kitchen: Path, tmp_path: Path) -> None:
    assert "two models" in soup(kitchen, tmp_path / "soup", kitchen / "m1", code=2)
