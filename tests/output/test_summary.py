"""The final table counts what became of the files and repeats every warning."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dfsubmit.console import VERBOSITY
from dfsubmit.hooks.execution import Waiting
from dfsubmit.output.metadata import describe_outcome
from dfsubmit.output.summary import RunSummary, format_summary
from dfsubmit.output.tally import Tally
from dfsubmit.records import FileResult, Status

RUN = {
    "model": {"name": "portrait", "loader": "huggingface", "fake_class": "Deepfake"},
    "device": "cpu",
    "precision": "fp32",
    "recipe": {"name": "dfsubmit"},
    "aggregator": "mean",
    "decision": {"threshold": 0.5, "temperature": 1.0},
    "warnings": [],
    "resumed": 0,
    "passed_over": [],
    "plugin_failures": {},
}


@pytest.fixture
def text() -> Callable[..., str]:
    def text(results: list[FileResult], **changes: Any) -> str:
        outcome = describe_outcome(tally := Tally.of(results), Waiting(), 30.0)
        meta = {**RUN, **outcome, **changes}
        return format_summary(RunSummary(Path("out/submission.csv"), tally, meta, 0))

    return text


def test_files_are_counted_by_status_and_label(
    text: Callable[..., str], make_result: Callable[..., FileResult]
) -> None:
    results = [
        make_result("a", 0.9),
        make_result("b", 0.1),
        make_result("c", 0.8),
        FileResult(filename="d", status=Status.NO_FACE, error="no face in any frame"),
    ]
    lines = [line.split() for line in text(results).splitlines()]
    assert lines[:4] == [
        ["status", "files", "real", "fake"],
        ["ok", "3", "1", "2"],
        ["no_face", "1", "1", "0"],
        ["all", "4", "2", "2"],
    ]


def test_damage_that_files_were_read_in_spite_of_is_named(
    text: Callable[..., str], make_result: Callable[..., FileResult]
) -> None:
    whole, damaged = make_result("a", 0.9), make_result("b", 0.9, frames_lost=3, note="3 frames …")
    lines = text([whole, damaged]).splitlines()
    assert lines.index("    b: 3 frames …") == lines.index("  1 read although damaged") + 1
    assert "damaged" not in text([whole])


def test_failures_are_named_with_their_reasons(text: Callable[..., str]) -> None:
    results = [
        FileResult(filename=f"{n:02}.mp4", status=Status.TIMEOUT, error="too long")
        for n in range(13)
    ]
    shown = text(results)
    assert "timeout: 00.mp4: too long" in shown
    assert "12.mp4" not in shown
    assert "3 more" in shown


def test_names_and_errors_cannot_move_the_cursor(text: Callable[..., str]) -> None:
    bad = "\x1b[2J\n\udcff.mp4"
    results = [FileResult(filename=bad, status=Status.UNREADABLE, error="cannot read \x07" + bad)]
    shown = text(results, passed_over=[bad], plugin_failures={bad: "\x1b[2J"}, warnings=["\x1b[2J"])
    assert all(line.isprintable() for line in shown.splitlines())
    shown.encode("utf-8")


def test_speed_and_model_are_stated(
    text: Callable[..., str], make_result: Callable[..., FileResult]
) -> None:
    shown = text([make_result("a", 0.9), make_result("b", 0.9)])
    assert "30.0 s, of it 0.0 s to load the model; 4.0 files/min" in shown
    assert "decode 1.0 s, detect 2.5 s, classify 0.2 s" in shown
    assert "waited" not in shown
    assert "model portrait (huggingface, cpu, fp32), fake is 'Deepfake'" in shown
    assert "recipe dfsubmit, aggregator mean, threshold 0.5" in shown
    assert "out/submission.csv: 2 rows" in shown
    assert "WARNING" not in shown
    assert "calibrated" not in shown


def test_what_waited_for_what_is_for_those_who_ask(
    text: Callable[..., str],
    make_result: Callable[..., FileResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(VERBOSITY, "verbose", True)
    assert re.search(r"the model waited [\d.]+ s for faces", text([make_result("a", 0.9)]))


def test_what_was_taken_over_is_not_counted_as_speed(
    text: Callable[..., str], make_result: Callable[..., FileResult]
) -> None:
    shown = text([make_result("a", 0.9), make_result("b", 0.9)], resumed=1)
    assert "2.0 files/min" in shown
    assert "1 file taken over" in shown


def test_everything_unusual_is_said(
    text: Callable[..., str], make_result: Callable[..., FileResult]
) -> None:
    results = [
        make_result("a", 0.9, frames_skipped=3),
        make_result(
            "b",
            0.9,
            aggregator_fallback=True,
            error="mean: ValueError: odd (rules.py, line 3)",
            thinned=True,
        ),
    ]
    shown = text(
        results,
        warnings=["FALLBACK MODEL IN USE"],
        decision={"threshold": 0.25, "temperature": 1.5},
        passed_over=["pipe"],
        plugin_failures={"broken.py": "SyntaxError: no"},
    )
    for words in (
        "WARNING: FALLBACK MODEL IN USE",
        "calibrated: temperature 1.5",
        "threshold 0.25",
        "1 file scored on fewer frames",
        "early exit saved 3 frames (60%)",
        "the aggregator mean failed on 1 of 2 scored files, where the mean was used instead",
        "the first: b: mean: ValueError: odd (rules.py, line 3)",
        "skipped (not regular files): pipe",
        "WARNING: the plugin broken.py did not load: SyntaxError: no",
    ):
        assert words in shown


def test_an_empty_run_has_a_summary_too(text: Callable[..., str]) -> None:
    assert "submission.csv: 0 rows" in text([])
