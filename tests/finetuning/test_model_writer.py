"""The model card comes from the package's own data, and says what is not known."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfsubmit.extraction.index import FaceRow
from dfsubmit.finetuning.data.epochs import FaceSampler
from dfsubmit.finetuning.data.plan import Plan
from dfsubmit.finetuning.data.splits import Split
from dfsubmit.finetuning.figures import VideoFigures
from dfsubmit.finetuning.finetune import Outcome
from dfsubmit.finetuning.model_writer import draw_curves, model_card
from dfsubmit.finetuning.options import TuneOptions
from dfsubmit.recipe import Recipe


def row(number: int, label: int, method: str) -> FaceRow:
    return FaceRow("", label, method, "a|b", "", str(number), "", ("x",), "", 0, 0.0, (0, 0, 1, 1))


def make_outcome() -> tuple[Plan, Outcome]:
    rows = [row(n, n % 2, "swap" if n % 2 else "original") for n in range(6)]
    groups = [str(n) for n in range(6)]
    plan = Plan(
        rows=rows,
        paths=[Path("x.png")] * 6,
        split=Split([0, 1], [2, 3], [5], groups, "group"),
        recipe=Recipe(),
        sampler=FaceSampler(rows[:2], groups[:2], False, 0.0, 0),
        steps_per_epoch=1,
        steps=3,
        warmup_steps=0,
        eval_steps=1,
        unreadable=0,
        processes=1,
    )
    outcome = Outcome(
        history=[{"step": 1, "loss": 0.5, "macro_f1": 0.75}],
        losses=[],
        best_step=1,
        validation={"macro_f1": 0.75, "auc": 1.0},
        test={"a|b": {"f1_fake": 1.0}},  # one class alone
        chosen_on=VideoFigures(2, 2, {"macro_f1": (0.75, 0.4, 0.9)}),
        tested_on={"a|b": VideoFigures(1, 1, {})},
        methods=[],
        seconds=60.0,
        parameters=(1, 2),
        origin="scratch:tiny",
        device="cpu",
        precision="fp32",
    )
    return plan, outcome


def test_the_card_counts_faces_and_leaves_undefined_figures_open() -> None:
    plan, outcome = make_outcome()
    card = model_card(plan, TuneOptions((), Path("somewhere/mine")), outcome)
    assert card.startswith("# mine\n")
    assert "Split by group: no identity group stands on both sides." in card
    assert "| learn | a\\|b | fake | swap | 1 | 1 |" in card
    assert "| test | a\\|b | fake | swap | 1 | 1 |" in card
    assert "| validation | 0.750 | – | 1.000 | – | – |" in card
    assert "| test: a\\|b | – | 1.000 | – | – | – |" in card
    assert "macro F1 0.750 [0.400, 0.900] over 2 videos in 2 groups, too few groups (2). " in card
    assert "**chosen on these 2 groups**" in card
    assert "- test: a\\|b: one class alone over 1 video in 1 group" in card


def test_curves_name_the_model_and_the_faces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure
    titles: list[str] = []
    monkeypatch.setattr(figure, "suptitle", lambda self, text: titles.append(text))
    plan, outcome = make_outcome()
    draw_curves(tmp_path / "curves.png", plan, "my$model", outcome)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert titles == [
        "my\\$model, fine-tuned from scratch:tiny\n2 training faces, 2 validation faces"
    ]
    assert capsys.readouterr().err == ""
