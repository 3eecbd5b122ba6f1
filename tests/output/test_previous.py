"""`run` replaces its own model's result, and another one's with --force alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dfsubmit.cli import main
from dfsubmit.models.folder import hash_model

REFUSED = "is the result of another model, vit-large (run of 2026-01-02 03:04 UTC)"
# The error that ends a run which was not refused, before anything is loaded.
WENT_ON = "there is no model loader 'nobody'"


@pytest.fixture
def run(tiny_model: Path, tmp_path: Path) -> Any:
    """``run(meta, *options)``: `dfsubmit run` beside a result with such metadata; what it says."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.jpg").write_bytes(b"x")
    (tmp_path / "s.csv").write_text("filename,label\na.jpg,1\n")

    def call(meta: object, *options: str) -> str:
        (tmp_path / "s.meta.json").write_text(json.dumps(meta))
        arguments = ["run", str(tmp_path / "data"), "--output", str(tmp_path / "s.csv")]
        arguments += ["--model", str(tiny_model), "--no-fallback", "--loader", "nobody", *options]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2, result.output
        assert (tmp_path / "s.csv").read_text() == "filename,label\na.jpg,1\n"
        return result.stderr

    return call


def made_by(sha256: str, **more: object) -> dict[str, object]:
    model = {"name": "vit-large", "sha256": sha256}
    return {"model": model, "started": "2026-01-02T03:04:05+00:00", **more}


def test_another_models_result_is_replaced_with_force_alone(run: Any) -> None:
    refused = run(made_by("ab" * 32))
    assert REFUSED in refused
    assert "--output FILE, or replace it with --force" in refused
    assert WENT_ON in run(made_by("ab" * 32), "--force")


@pytest.mark.parametrize("meta", [{}, [], {"model": 5}, {"run": "x", "complete": False}])
def test_what_no_metadata_tell_of_is_replaced(run: Any, meta: object) -> None:
    assert WENT_ON in run(meta)


def test_the_same_models_and_a_fallbacks_result_are_replaced(run: Any, tiny_model: Path) -> None:
    assert WENT_ON in run(made_by(hash_model(tiny_model)))
    assert WENT_ON in run(made_by("ab" * 32, fallback_reason="it was damaged"))
