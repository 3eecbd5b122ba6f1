"""`dfsubmit models prepare` lets the loader of a run keep what it makes with the model folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dfsubmit.cli import main
from dfsubmit.errors import Exit
from dfsubmit.models.folder import hash_model

# Ranks above the loaders that are installed.
PLUGIN = """
from dfsubmit.hooks import Prepared, hookimpl

class Plain:
    def rank(self, request):
        return 99 if request.precision == "int8" else 0

    def load(self, request):
        raise NotImplementedError

class Preparing(Plain):
    def prepare(self, request):
        if request.faces.name == "none":
            raise RuntimeError("no faces")
        folder = request.folder / "own" / request.precision
        folder.mkdir(parents=True)
        (folder / "graph").write_text(f"{request.model_hash} {request.faces.name} {request.device}")
        return Prepared(folder, "int8 by hand", ("it is only a test",))

@hookimpl
def register_model_loaders(register):
    register("own", CLASS())
"""


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def _prepare(model: Path, *arguments: str, loader: str = "Preparing") -> Result:
    plugins = model.parent / "plugins"
    plugins.mkdir(exist_ok=True)
    (plugins / "own.py").write_text(PLUGIN.replace("CLASS", loader))
    command = ["models", "prepare", str(model), "--plugins-dir", str(plugins), *arguments]
    return CliRunner().invoke(main, command)


def test_it_is_kept_and_shown(model: Path) -> None:
    before = hash_model(model)
    result = _prepare(model, "--calibration", "faces", "--device", "cpu")
    assert result.exit_code == 0
    kept = model / "own" / "int8"
    assert (kept / "graph").read_text() == f"{before} faces cpu"
    assert hash_model(model) == before
    assert result.stdout.splitlines() == [f"{kept}: 0.0 MB", "int8 by hand"]
    assert "warning: it is only a test" in result.stderr
    assert f"next: dfsubmit run DATA --model {model} --precision int8" in result.stderr


def test_as_json(model: Path) -> None:
    told = json.loads(_prepare(model, "--calibration", "faces", "--json").stdout)
    assert told == {
        "model": str(model),
        "sha256": hash_model(model),
        "loader": "own",
        "precision": "int8",
        "folder": str(model / "own" / "int8"),
        "bytes": 75,
        "arithmetic": "int8 by hand",
        "warnings": ["it is only a test"],
    }


def test_a_loader_without_it_is_an_error(model: Path) -> None:
    result = _prepare(model, "--calibration", "faces", loader="Plain")
    assert result.exit_code == Exit.USAGE
    assert "the model loader 'own' keeps nothing with models" in result.stderr


def test_a_zip_is_an_error(model: Path) -> None:
    packed = Path(shutil.make_archive(str(model), "zip", model))
    result = _prepare(packed, "--calibration", "faces")
    assert result.exit_code == Exit.USAGE
    assert "is a zip, in which nothing is kept" in result.stderr
    assert "unzip it" in result.stderr


def test_a_loaders_mistake_is_told_in_a_line(model: Path) -> None:
    result = _prepare(model, "--calibration", "none")
    assert result.exit_code == Exit.USAGE
    assert "the model loader 'own': RuntimeError: no faces (own.py, line" in result.stderr


def test_faces_are_asked_for(model: Path) -> None:
    result = _prepare(model)
    assert result.exit_code == Exit.USAGE
    assert "--calibration" in result.stderr
