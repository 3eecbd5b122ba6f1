"""Who is told of the steps: nobody unless asked; and the outcome as JSON, alone on stdout."""

from __future__ import annotations

import importlib.machinery
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from commands import dfsubmit
from crops import write_faces

from dfsubmit.cli import main

QUICK = ["--base", "scratch:tiny", "--image-size", "32", "--epochs", "1", "--batch-size", "4"]
QUICK += ["--workers", "0", "--no-progress"]


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What a stand-in for wandb was called with, in order."""
    calls: list[tuple[str, Any]] = []
    module: Any = types.ModuleType("wandb")
    module.__spec__ = importlib.machinery.ModuleSpec("wandb", None)
    module.Error = type("Error", (Exception,), {})
    config: Any = type("Config", (dict,), {"update": lambda *_, **__: None})()
    summary: dict[str, float] = {}
    run = types.SimpleNamespace(summary=summary, _label=lambda **_: None)

    def init(**named: Any) -> None:
        calls.append(("init", named))
        module.run, module.config = run, config

    module.run = None
    module.login = lambda **named: calls.append(("login", named))
    module.init = init
    module.log = lambda values: calls.append(("log", values))
    module.finish = lambda **named: calls.append(("finish", named))
    errors: Any = types.ModuleType("wandb.sdk.lib.config_util")
    errors.ConfigError = module.Error
    for name in ("wandb.sdk", "wandb.sdk.lib"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "wandb.sdk.lib.config_util", errors)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return calls


def test_a_missing_package_is_named_before_the_faces_are_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("dfsubmit.finetuning.reporting.find_spec", lambda name: None)
    for name in ("tensorboard", "wandb"):
        asked = ["--report-to", name, *QUICK]
        faces, output = tmp_path / "none", tmp_path / "model"
        text = dfsubmit("finetune", faces, "--output", output, *asked, code=5)
        assert f"pip install {name}" in text
        assert f"(pip install {name})" in dfsubmit("finetune", "--dry-run", *asked)


def test_json_is_alone_on_stdout_and_has_figures_with_intervals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wandb: list[tuple[str, Any]]
) -> None:
    faces, output = write_faces(tmp_path / "faces"), tmp_path / "model"
    command = ["finetune", str(faces), *QUICK, "--json"]
    main([*command, "--dry-run"], standalone_mode=False)
    planned = json.loads(capsys.readouterr().out)
    assert planned["steps"] == 4
    assert planned["seconds"] > 0
    assert planned["classes"] == {"0": "Real", "1": "Fake"}
    assert planned["missing"] == ["--output, the folder to write"]
    main([*command, "--output", str(output), "--zip"], standalone_mode=False)
    printed = capsys.readouterr()
    outcome = json.loads(printed.out)
    assert "a step: 4 faces" in printed.err
    assert outcome["model"] == str(output)
    assert Path(outcome["zip"]).is_file()
    metrics = json.loads((output / "metrics.json").read_text())
    assert outcome["best_step"] == metrics["best_step"]
    assert outcome["evaluations"] == len(metrics["history"])
    figures = metrics["chosen_on"]["figures"]
    for name in ("macro_f1", "auc"):
        assert [outcome["validation"][name], *outcome["validation"]["intervals"][name]] == (
            figures[name]
        )
    assert outcome["validation"]["groups"] == 2
    assert outcome["test"] == {}
    assert any("identity groups to validate on" in line for line in outcome["warnings"])
    # Weights & Biases was there, and was not told.
    assert wandb == []


def test_wandb_is_told_of_losses_and_figures_when_asked_for(
    tmp_path: Path, wandb: list[tuple[str, Any]]
) -> None:
    faces = write_faces(tmp_path / "faces")
    output = tmp_path / "mine"
    dfsubmit("finetune", faces, "--output", output, *QUICK, "--report-to", "wandb")
    names = [name for name, _ in wandb]
    assert names[:2] == ["login", "init"]
    assert names[-1] == "finish"
    assert names.count("log") == len(names) - 3
    assert dict(wandb)["init"]["name"] == "mine"
    said = {key for name, values in wandb if name == "log" for key in values}
    assert {"train/loss", "eval/macro_f1", "eval/loss", "train/global_step"} <= said
    # The last scoring is of all data sets together, which no figure should be.
    assert not any(key.startswith("test/") for key in said)


def test_wandb_without_a_key_is_an_error_before_the_faces_are_looked_for(
    tmp_path: Path, wandb: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = sys.modules["wandb"]

    def refuse(**_: Any) -> None:
        raise module.Error("No API key configured.")

    monkeypatch.setattr(module, "login", refuse)
    asked = ["--output", tmp_path / "model", *QUICK, "--report-to", "wandb"]
    text = dfsubmit("finetune", tmp_path / "none", *asked, code=2)
    assert "No API key configured" in text
    assert "WANDB_API_KEY" in text


def test_tensorboards_files_lie_in_the_model_folder_and_hide_what_comes_again(
    tmp_path: Path,
) -> None:
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from dfsubmit.finetuning.reporting import reporters

    output = tmp_path / "mine"
    faces = write_faces(tmp_path / "faces")
    dfsubmit("finetune", faces, "--output", output, *QUICK, "--report-to", "tensorboard")
    history = json.loads((output / "metrics.json").read_text())["history"]

    def figures() -> list[tuple[int, float]]:
        events = EventAccumulator(str(output / "tensorboard"))
        events.Reload()
        return [(event.step, event.value) for event in events.Scalars("eval/macro_f1")]

    expected: list[Any] = [(e["step"], pytest.approx(e["macro_f1"])) for e in history]
    assert figures() == expected
    # As a run that resumes at step 2 begins.
    (callback,) = reporters("tensorboard", output, 2)
    callback.tb_writer.add_scalar("eval/macro_f1", 0.5, 3)
    callback.tb_writer.close()
    assert figures() == [*expected[:2], (3, 0.5)]
