"""The experiment report holds what was kept, says what was not, and text in it stays text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from entries import call, entry

from dfsubmit.bundle.submit import ledger
from dfsubmit.bundle.submit.experiment import experiment_report


def test_the_experiment_report_holds_what_was_kept_and_says_what_was_not() -> None:
    ledger.record(entry("EXP-004"))
    ledger.record_score("EXP-004", 0.2773)
    kept = ledger.keepsakes("EXP-004")
    kept.mkdir(parents=True)
    (kept / "README.md").write_text("# Card\n\n```\n# no heading\n```\n")
    (kept / "comparison.json").write_text(
        json.dumps({"aggregators": [{"aggregator": "max", "macro_f1": 0.5, "ci": [0.4, 0.6]}]})
    )
    report = experiment_report(ledger.find("EXP-004"), ledger.read())
    assert report.startswith("# EXP-004: vit\n")
    assert "| score (macro F1, hidden test) | 0.2773 |" in report
    assert "- margin: 0.4" in report
    assert "| max | 0.5000 | 0.4000 to 0.6000 |" in report
    assert "## Under degradation\n\nNot measured." in report
    assert "### Card\n\n```\n# no heading\n```" in report
    result = call("export", "EXP-004")
    assert result.output == report


FORGED = "x |\n| accepted | yes |\n\n# Score: 1.0 <script>alert(1)</script> `a` [b](c)"


def test_no_text_forges_a_row_a_heading_or_html() -> None:
    ledger.record(entry("EXP-001", accepted=False, model_name=FORGED, aggregator=FORGED))
    kept = ledger.keepsakes("EXP-001")
    kept.mkdir(parents=True)
    (kept / "rehearsal.json").write_text(
        json.dumps(
            {
                **dict.fromkeys(("bundle", "bundle_hash", "target", "time"), ""),
                "figures": {},
                "checks": [{"name": FORGED, "status": "pass", "detail": FORGED}],
            }
        )
    )
    (kept / "comparison.json").write_text(
        json.dumps({"aggregators": [{"aggregator": FORGED, "macro_f1": 0.5, "ci": [0, 1]}]})
    )
    (kept / "README.md").write_text(f"{FORGED}\n\nScore\n===\n ## deeper\n~~~\n# code\n")
    text = call("export", "EXP-001").output
    assert "<script" not in text
    assert text.count("| accepted | yes |") == 1  # of the card alone, below its heading
    assert text.index("## Model card") < text.index("| accepted | yes |")
    headings = [line for line in text.splitlines() if line.startswith(("# ", "## "))]
    assert len(headings) == 7  # the title, six sections, and "# code" is none
    assert text.endswith("# code\n~~~\n")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all("Score: 1.0" not in row or row.count(" | ") in (1, 2) for row in rows)
    assert len(call().stdout.splitlines()) == 2


ODD = [
    b"",
    b"[]",
    b"{}",
    b"{",
    b'{"checks": 3}',
    b'{"aggregators": [{}]}',
    b"\xff\xfe",
    b"[" * 5000,
]


@pytest.mark.parametrize("content", ODD)
def test_what_was_kept_and_cannot_be_read_is_named(content: bytes) -> None:
    ledger.record(entry("EXP-001"))
    kept = ledger.keepsakes("EXP-001")
    kept.mkdir(parents=True)
    for name in ("rehearsal.json", "comparison.json", "stress.json", "README.md"):
        (kept / name).write_bytes(content)
    result = call("export", "EXP-001")
    assert result.exit_code == 0
    for name in ("rehearsal", "comparison", "stress"):
        assert f"{name}.json cannot be read" in result.output


@pytest.mark.parametrize("output", ["missing/exp.md", "."])
def test_a_report_that_cannot_be_written_is_an_error(tmp_path: Path, output: str) -> None:
    ledger.record(entry("EXP-001"))
    result = call("export", "EXP-001", "--output", str(tmp_path / output))
    assert result.exit_code == 2
    assert str(tmp_path) in result.output


def test_export_writes_a_file(tmp_path: Path) -> None:
    ledger.record(entry("EXP-001"))
    assert call("export", "EXP-001", "--output", str(tmp_path / "exp.md")).exit_code == 0
    assert (tmp_path / "exp.md").read_text().startswith("# EXP-001")
