"""One result in depth: figures, breakdowns, reports, and errors that name rows."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scores_samples import make_failure, make_result, make_run
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from dfsubmit.cli import main
from dfsubmit.errors import UsageError
from dfsubmit.evaluation.evaluate import evaluate
from dfsubmit.evaluation.labels import read_labels
from dfsubmit.output.scores import read_scores, write_scores
from dfsubmit.scoring.decision import Decision, hash_names


def invoke(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["evaluate", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def submission_of(scores: Path, folder: Path) -> Path:
    path = folder / "submission.csv"
    lines = [f"{result.filename},{result.label}\n" for result in read_scores(scores)]
    path.write_text("filename,label\n" + "".join(lines))
    return path


def test_a_submission_has_the_label_metrics_of_its_scores(tmp_path: Path) -> None:
    scores, labels_path = make_run(tmp_path)
    labels = read_labels(labels_path)
    of_scores = evaluate(scores, labels)
    of_labels = evaluate(submission_of(scores, tmp_path), labels)
    truth = [row.label for row in labels.values()]
    said = [result.label for result in read_scores(scores)]
    assert of_scores.confusion == of_labels.confusion == confusion_matrix(truth, said).tolist()
    for name in ("macro_f1", "accuracy"):
        assert of_scores.overall.metrics[name] == of_labels.overall.metrics[name]
        assert of_scores.overall.intervals[name] == of_labels.overall.intervals[name]
    assert of_scores.overall.metrics["auc"] > 0.5
    assert np.isnan(of_labels.overall.metrics["auc"])
    assert of_scores.overall.groups == 20


def test_every_extra_column_is_broken_down_worst_first(tmp_path: Path) -> None:
    scores, labels_path = make_run(tmp_path, n=200)
    labels = read_labels(labels_path)
    evaluation = evaluate(scores, labels)
    assert list(evaluation.parts) == ["method"]
    parts = evaluation.parts["method"]
    assert {part.name for part in parts} == {"(empty)", "swap", "talk"}
    values = [part.metrics["balanced_accuracy"] for part in parts]
    assert values == sorted(values)
    rows = [row.columns["method"] == "swap" for row in labels.values()]
    said = np.array([result.label for result in read_scores(scores)])[rows]
    swap = next(part for part in parts if part.name == "swap")
    assert swap.metrics["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score([1] * len(said), said)
    )
    assert np.isnan(swap.metrics["macro_f1"])  # fakes alone have no macro F1
    assert swap.files == swap.fakes == len(said)


def test_a_column_that_names_files_is_left_out_and_said(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path)
    lines = labels.read_text().splitlines()
    text = [lines[0] + ",note", *(f"{line},n{number}" for number, line in enumerate(lines[1:]))]
    labels.write_text("\n".join(text) + "\n")
    assert evaluate(scores, read_labels(labels)).left_out == ["note"]
    assert "Not broken down by note" in invoke(scores, "--labels", labels).output


def test_parts_with_few_groups_say_so(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path, n=30)
    output = invoke(scores, "--labels", labels).output
    assert "30 files (15 fake, 15 real) in 20 groups." in output
    assert re.search(r"swap +8 +8 +too few groups \(5\)", output)


def test_the_tables_fit_80_columns_unless_every_figure_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    scores, labels = make_run(tmp_path, n=30)
    narrow = invoke(scores, "--labels", labels, "--hidden", 500).stdout
    assert max(map(len, narrow.splitlines())) <= 80
    parts = narrow.partition("By method")[2]
    assert "balanced acc." in parts
    assert "AUC" not in parts
    assert "AUC" in invoke(scores, "--labels", labels, "--wide").stdout.partition("By method")[2]


def test_failures_are_counted_and_shown(tmp_path: Path) -> None:
    path, labels = tmp_path / "x.scores.jsonl", tmp_path / "labels.csv"
    write_scores(path, [make_result("a", [0.1]), make_result("b", [0.9]), make_failure("c", 0)])
    labels.write_text("filename,label\na,0\nb,1\nc,1\n")
    evaluation = evaluate(path, read_labels(labels))
    assert evaluation.failed == {"no_face": 1}
    assert evaluation.confusion == [[1, 0], [1, 1]]
    assert "1 failed (1 no_face)" in invoke(path, "--labels", labels).output


def test_early_exit_leaves_labels_exact_and_probabilities_undefined(tmp_path: Path) -> None:
    path, labels = tmp_path / "x.scores.jsonl", tmp_path / "labels.csv"
    stopped = make_result("b", [0.9])
    stopped.p_fake, stopped.frames_skipped = None, 3
    write_scores(path, [make_result("a", [0.1]), stopped])
    labels.write_text("filename,label\na,0\nb,1\n")
    metrics = evaluate(path, read_labels(labels)).overall.metrics
    assert metrics["macro_f1"] == 1
    assert np.isnan(metrics["auc"])
    assert np.isnan(metrics["log_loss"])


def test_a_decision_that_was_fitted_on_the_files_is_called_in_sample(tmp_path: Path) -> None:
    names = ["000.mp4", "001.mp4", "elsewhere.mp4"]
    decision = Decision("mean", threshold=0.4, fitted_on={"names": hash_names(names)})
    meta: dict[str, object] = {"decision": dataclasses.asdict(decision)}
    scores, labels = make_run(tmp_path, meta=meta)
    assert evaluate(scores, read_labels(labels)).in_sample == 2
    assert "In-sample" in invoke(scores, "--labels", labels).output
    submission = submission_of(scores, tmp_path)
    assert json.loads(invoke(submission, "--labels", labels, "--json").stdout)["in_sample"] == 2
    other, _ = make_run(tmp_path, meta={"decision": {"aggregator": "mean"}})
    assert evaluate(other, read_labels(labels)).in_sample == 0


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("filename,label\nc,0\n", "the labels name none of its 1 file: they have a, b, it has c"),
        ("filename,label\na,0\nb,1\nz,1\n", "1 file.* without a label: 'z'"),
        ("filename,label\na,0\nb,2\n", "'b'.*'2'"),
        ("filename,label\na,0\nb,\n", "'b'.*''"),
        ("filename,label\na,0\na,0\nb,1\n", "'a'.*twice"),
        ("filename,label\na,0\nb\n", "row 3 has 1 column"),
        ("name,label\na,0\nb,1\n", "filename,label"),
        ("", "filename,label"),
    ],
)
def test_rows_that_are_wrong_are_named(tmp_path: Path, content: str, named: str) -> None:
    path, labels = tmp_path / "submission.csv", tmp_path / "labels.csv"
    path.write_text(content)
    labels.write_text("filename,label\na,0\nb,1\n")
    with pytest.raises(UsageError, match=named):
        evaluate(path, read_labels(labels))


def test_json_markdown_and_png(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path)
    markdown, plot = tmp_path / "report.md", tmp_path / "report.png"
    result = invoke(scores, "--labels", labels, "--json", "--markdown", markdown, "--plot", plot)
    data = json.loads(result.stdout)
    assert data["files"] == 60
    assert data["intervals"]["auc"][0] < data["auc"] < data["intervals"]["auc"][1]
    assert {part["value"] for part in data["parts"]["method"]} == {"(empty)", "swap", "talk"}
    assert next(p for p in data["parts"]["method"] if p["value"] == "swap")["macro_f1"] is None
    text = markdown.read_text()
    assert "| macro F1 |" in text
    assert "## By method, worst first" in text
    assert "| swap | 15 | 15 | too few groups (5) |" in text
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_reports_escape_what_they_show(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path)
    wicked = "<script>|[x](http://x)$y$\x1b[31m"
    labels.write_text(labels.read_text().replace("swap", wicked))
    markdown, plot = tmp_path / "report.md", tmp_path / "report.png"
    output = invoke(scores, "--labels", labels, "--markdown", markdown, "--plot", plot).output
    text = markdown.read_text()
    assert "<script>" not in text
    assert r"\|\[x\]" in text
    assert "\x1b" not in text + output
    assert plot.exists()
