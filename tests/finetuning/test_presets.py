"""Presets are defaults by name: what is typed goes before them, and what is missing is said."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click
import pytest
from commands import dfsubmit

from dfsubmit.cli import main
from dfsubmit.finetuning.options import TuneOptions, usual_lr
from dfsubmit.finetuning.presets import PRESETS


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dfsubmit.finetuning.networks.backbones._cached", lambda name: None)


def test_every_preset_names_options_that_exist_and_their_source() -> None:
    command = main.get_command(click.Context(main), "finetune")
    assert command is not None
    known = {parameter.name for parameter in command.params}
    for preset in PRESETS.values():
        assert {key.replace("-", "_") for key in preset.options} <= known
        assert len(preset.source) > 20


def test_exp_004_is_the_defaults() -> None:
    options = {key.replace("-", "_"): value for key, value in PRESETS["exp-004"].options.items()}
    plain = TuneOptions((), Path("m"))
    assert dataclasses.replace(plain, **options) == plain


def test_the_list_says_source_and_need() -> None:
    text = dfsubmit("finetune", "--list-presets")
    for name in ("exp-004", "clip-norm-sbi", "dinov2-lora", "quick"):
        assert f"{name}\n  options: --" in text
    assert "needs: --base facebook/dinov2-base: no such folder" in text
    assert "hf download openai/clip-vit-large-patch14" in text
    assert "needs: nothing that is not here" in text


def test_a_dry_run_of_a_preset_needs_nothing_and_says_what_is_missing() -> None:
    text = dfsubmit("finetune", "--preset", "clip-norm-sbi", "--dry-run")
    assert "--tune norm --self-blend 0.5" in text
    assert "base: openai/clip-vit-large-patch14" in text
    for what in ("hf download openai/clip-vit-large-patch14", "FACES, folders made by", "--output"):
        assert any(what in line for line in text.splitlines() if line.startswith("missing: "))
    assert "are needed" in dfsubmit("finetune", "--preset", "quick", code=2)


def test_what_is_typed_goes_before_a_preset() -> None:
    typed = ["--preset", "quick", "--dry-run", "--lr", "5e-4", "--batch-size", 8]
    text = dfsubmit("finetune", *typed)
    assert "a step: 8 faces" in text
    assert "rate 0.0005" in text


def test_a_file_is_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    options = {"base": "scratch:tiny", "batch_size": 6, "gradient-checkpointing": True}
    path.write_text(json.dumps(options | {"hold-out": "dfdc", "source": "me"}))
    text = dfsubmit("finetune", "--preset", path, "--dry-run")
    assert "preset mine.json: --base scratch:tiny --batch-size 6 --gradient-checkpointing" in text
    assert "a step: 6 faces" in text
    for content, said in (
        ("[]", "not a JSON object"),
        ("{", "mine.json"),
        ('{"learning-rate": 1}', "no option 'learning-rate'"),
        ('{"output": "m"}', "no option 'output'"),
        ('{"epochs": "many"}', "many"),
    ):
        path.write_text(content)
        assert said in dfsubmit("finetune", "--preset", path, "--dry-run", code=2)
    assert "'quick'" in dfsubmit("finetune", "--preset", "quik", "--dry-run", code=2)


def test_new_networks_do_not_start_at_the_rate_of_pretrained_ones() -> None:
    assert usual_lr(None) == usual_lr("google/vit") == TuneOptions((), Path("m")).lr == 2e-5
    assert usual_lr("scratch:tiny") == 1e-3
    assert "rate 0.001" in dfsubmit("finetune", "--base", "scratch:tiny", "--dry-run")
    typed = ["--base", "scratch:tiny", "--preset", "exp-004", "--dry-run"]
    assert "rate 2e-05" in dfsubmit("finetune", *typed)
