"""What a stress test says at its end: a fall only where there is one, and whether it is chance."""

from __future__ import annotations

import math

import pytest

from dfsubmit.evaluation.reports.stress import as_json, as_text
from dfsubmit.evaluation.stress.stress import Stressed, StressReport


def report(clean: float, variants: dict[str, tuple[float, float]]) -> StressReport:
    """Of the clean macro F1, and of each variant's macro F1 and p."""

    def row(name: str, f1: float, p: float, interval: tuple[float, float]) -> Stressed:
        figures = {"macro_f1": f1, "auc": 0.6, "recall": 0.5, "accuracy": f1, "log_loss": 0.6}
        both = dict.fromkeys(("macro_f1", "auc"), (0.2, 0.9))
        return Stressed(name, figures, both, clean - f1, interval, p, 1.0, 0.9, 0)

    rows = [row(name, f1, p, (-0.1, 0.6)) for name, (f1, p) in variants.items()]
    rows.sort(key=lambda item: item.metrics["macro_f1"])
    return StressReport(row("clean", clean, 1.0, (math.nan, math.nan)), rows, 60, 30, 20, 0)


@pytest.mark.parametrize(
    ("f1", "p", "said"),
    [
        (0.4, 0.012, "to dark25, the worst of 2, macro F1 falls by 0.200 [-0.100, 0.600]: "),
        (0.4, 0.012, "0.600 to 0.400 (adjusted p 0.012)."),
        (0.5, 0.4, "(adjusted p 0.400): not distinguishable on 60 files."),
        (0.65, 0.4, "No variant has a lower macro F1 than the clean files: 0.600, lowest 0.650."),
        (0.6, 1.0, "No variant has a lower macro F1 than the clean files: 0.600, lowest 0.600."),
    ],
)
def test_the_last_line(f1: float, p: float, said: str) -> None:
    last = as_text(report(0.6, {"blur4": (0.7, 1.0), "dark25": (f1, p)})).splitlines()[-1]
    assert said in last
    assert "falls by -" not in last


def test_json_has_p_and_no_interval_for_the_clean_files() -> None:
    data = as_json(report(0.6, {"dark25": (0.4, 0.012)}))
    assert data["variants"][0]["adjusted_p"] == 0.012
    assert data["clean"]["fall_ci"] == [None, None]


def test_the_table_fits_80_columns_unless_every_figure_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    content = report(0.6, {"quarter-size": (0.4, 0.012), "blur4": (0.5, 0.3), "noise": (0.7, 0.01)})
    lines = as_text(content).splitlines()
    assert max(map(len, lines)) <= 80
    verdicts = {line.split()[0]: line.split("%")[-1].strip() for line in lines if "%" in line}
    assert verdicts["quarter-size"] == "worse"
    assert verdicts["noise"] == "better"
    assert verdicts["blur4"] == "not distinguishable"
    assert verdicts["clean"] == "reference"
    assert "adjusted p" not in lines[2]
    assert "adjusted p" in as_text(content, wide=True).splitlines()[2]
