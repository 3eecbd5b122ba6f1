"""Comparisons: figures, intervals and verdicts, through the command and its Python face."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scores_samples import LOWEST_PLUGIN, MEAN, make_failure, make_result, make_run
from sklearn.metrics import f1_score

from dfsubmit.cli import main
from dfsubmit.errors import UsageError
from dfsubmit.evaluation.cached import read_cached_run
from dfsubmit.evaluation.compare import Comparison, compare
from dfsubmit.evaluation.labels import read_labels
from dfsubmit.hooks.interfaces import Aggregator, BoundAggregator, RegisteredAggregator
from dfsubmit.intervals.groups import group_numbers
from dfsubmit.output.scores import read_scores, write_scores
from dfsubmit.records import Status
from dfsubmit.scoring.decision import hash_names


def rule(spec: str, function: Aggregator) -> BoundAggregator:
    return BoundAggregator(spec, RegisteredAggregator(spec, function, "tests", frozenset()), {})


MAX = rule("max", lambda scores: float(scores.p_fake.max()))


def invoke(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["compare", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def compared(
    scores: list[Path],
    labels: Path,
    aggregators: Sequence[BoundAggregator] = (MEAN, MAX),
    **options: Any,
) -> Comparison:
    rows = read_labels(labels)
    groups = group_numbers([row.group for row in rows.values()])
    runs = [read_cached_run(path, rows) for path in scores]
    return compare(runs, aggregators, MEAN, groups, **options)


def test_figures_are_those_of_the_re_aggregated_frames(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path)
    truth = [row.label for row in read_labels(labels).values()]
    maxima = [max(frame.p_fake for frame in item.frames) for item in read_scores(scores)]
    expected = f1_score(truth, [int(p > 0.5) for p in maxima], average="macro")
    row = {row.aggregator: row for row in compared([scores], labels).rows}["max"]
    assert row.metrics["macro_f1"] == pytest.approx(expected)
    low, high = row.intervals["macro_f1"]
    assert low < expected < high
    assert row.difference == pytest.approx(
        expected - f1_score(truth, [r.label for r in read_scores(scores)], average="macro")
    )


def test_rows_come_best_first_and_say_what_may_be_said(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path, n=200)
    same = rule("same", lambda scores: float(scores.p_fake.mean()))
    wrong = rule("wrong", lambda scores: float(1 - scores.p_fake.mean()))
    close = rule("close", lambda scores: float(np.median(scores.p_fake)))
    comparison = compared([scores], labels, (wrong, close, same))
    f1 = [row.metrics["macro_f1"] for row in comparison.rows]
    assert f1 == sorted(f1, reverse=True)
    verdicts = {row.aggregator: comparison.verdict(row) for row in comparison.rows}
    assert verdicts["mean"] == "reference"
    assert verdicts["same"] == "same labels"
    assert verdicts["wrong"] == "worse"
    assert verdicts["close"] in ("same labels", "not distinguishable on 200 files")
    row = next(row for row in comparison.rows if row.aggregator == "wrong")
    assert row.p < 0.001
    assert comparison.reference.p == 1
    assert row.difference_interval[1] < 0


def test_a_better_rule_is_called_better(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path, n=200, shift=0.3)  # every mean is over 0.5
    shifted = rule("shifted", lambda scores: float(max(scores.p_fake.mean() - 0.3, 0)))
    comparison = compared([scores], labels, (shifted,))
    assert comparison.verdict(comparison.rows[0]) == "better"
    # The right threshold gives the mean what the shift gives the other rule.
    mean = comparison.reference
    assert mean.cross_validated_f1 > mean.metrics["macro_f1"] + 0.1
    assert 0.7 < mean.best_threshold < 0.9


def test_the_best_row_is_said_to_be_chosen_and_what_that_is_worth(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path)
    # Rules that differ from the mean by chance alone.
    rules = [
        rule(f"chance{seed}", lambda scores, seed=seed: float(scores.p_fake[seed::5].mean()))
        for seed in range(5)
    ]
    comparison = compared([scores], labels, rules)
    assert comparison.choice is not None
    assert comparison.choice.macro_f1 < comparison.rows[0].metrics["macro_f1"]
    low, high = comparison.choice.interval
    assert low < comparison.choice.macro_f1 < high
    output = invoke(scores, "--labels", labels, "--aggregator", "mean", "--frames", "2,16").output
    assert "The best, mean with" in output
    assert "was chosen among 2 on these files. Chosen on four fifths of the groups" in output


def test_few_groups_are_said(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path)
    words = []
    for count in (9, 10):
        lines = labels.read_text().splitlines()[1:]
        few = tmp_path / "few.csv"
        rows = [f"{line.rsplit(',', 2)[0]},p{n % count}" for n, line in enumerate(lines)]
        few.write_text("filename,label,group\n" + "\n".join(rows) + "\n")
        words.append(invoke(scores, "--labels", few, "--aggregator", "mean").output)
    assert "in 9 groups; too few groups (9)" in words[0]
    assert "too few" not in words[1]


def test_failures_count_as_the_failure_label(tmp_path: Path) -> None:
    path = tmp_path / "submission.scores.jsonl"
    results = [make_result("a.mp4", [0.1]), make_result("b.mp4", [0.9])]
    write_scores(
        path, [*results, make_failure("c.mp4", 0), make_failure("d.mp4", 0, Status.CRASHED)]
    )
    labels = tmp_path / "labels.csv"
    labels.write_text("filename,label\na.mp4,real\nb.mp4,fake\nc.mp4,fake\nd.mp4,real\n")
    comparison = compared([path], labels, (MEAN,))
    assert comparison.reference.metrics["recall"] == 0.5
    assert comparison.reference.metrics["precision"] == 1
    output = invoke(path, "--labels", labels, "--aggregator", "mean").output
    assert "2 failed (1 crashed, 1 no_face)" in output


def test_one_class_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "submission.scores.jsonl"
    write_scores(path, [make_result("a.mp4", [0.1])])
    labels = tmp_path / "labels.csv"
    labels.write_text("filename,label\na.mp4,1\n")
    with pytest.raises(UsageError, match="all labelled files are fake"):
        compared([path], labels)


def test_groups_widen_the_intervals(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path, n=200)
    grouped = compared([scores], labels)
    text = labels.read_text().replace("group", "person")
    labels.write_text(text)
    alone = compared([scores], labels)
    assert (grouped.groups, alone.groups) == (20, 200)
    assert grouped.reference.metrics == alone.reference.metrics
    assert grouped.reference.intervals != alone.reference.intervals


def test_several_runs_and_numbers_of_frames(tmp_path: Path) -> None:
    first, labels = make_run(tmp_path, name="first")
    second, _ = make_run(tmp_path, seed=1, name="second")
    comparison = compared([first, second], labels, frame_counts=[2, 16])
    assert len(comparison.rows) == 2 * 2 * 2
    assert (comparison.reference.source, comparison.reference.frames) == ("first", 16)
    assert {row.source for row in comparison.rows} == {"first", "second"}
    output = invoke(first, second, "--labels", labels, "--frames", "2,16").output
    assert "second" in output


def test_the_table_fits_80_columns_unless_every_figure_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    scores, labels = make_run(tmp_path)
    narrow = invoke(scores, "--labels", labels).stdout
    assert max(map(len, narrow.splitlines())) <= 80
    header = "aggregator  macro F1  95 %  minus mean  verdict"
    assert header in [re.sub("  +", "  ", line) for line in narrow.splitlines()]
    assert "--wide shows the other figures." in narrow
    wide = invoke(scores, "--labels", labels, "--wide").stdout
    for title in ("F1 fake", "adjusted p", "Brier", "best threshold"):
        assert title in wide
        assert title not in narrow
    assert "--wide" not in wide


def test_json_csv_and_plot(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path)
    table, plot = tmp_path / "t.csv", tmp_path / "p.png"
    result = invoke(
        scores, "--labels", labels, "--aggregator", "mean", "--json", "--csv", table, "--plot", plot
    )
    data = json.loads(result.stdout)
    (entry,) = data["aggregators"]
    assert entry["aggregator"] == "mean"
    low, high = entry["ci"]
    assert low <= entry["macro_f1"] <= high
    assert entry["verdict"] == "reference"
    (row,) = csv.DictReader(table.open())
    assert float(row["macro_f1"]) == entry["macro_f1"]
    assert float(row["auc_low"]) == entry["intervals"]["auc"][0]
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_undefined_figures_are_null_in_json_and_said_in_the_table(tmp_path: Path) -> None:
    path, labels = tmp_path / "submission.scores.jsonl", tmp_path / "labels.csv"
    write_scores(path, [make_result("a.mp4", [0.1]), make_result("b.mp4", [0.9])])
    labels.write_text("filename,label\na.mp4,0\nb.mp4,1\n")
    arguments = (path, "--labels", labels, "--aggregator", "mean")
    entry = json.loads(invoke(*arguments, "--json").stdout)["aggregators"][0]
    assert entry["cross_validated_macro_f1"] is None  # one file of each class: nothing to hold out
    assert "undefined" in invoke(*arguments, "--wide").output


def test_a_plugin_file_appears_in_the_table(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path)
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "lowest.py").write_text(LOWEST_PLUGIN)
    (folder / "broken.py").write_text("1 / 0")
    output = invoke(scores, "--labels", labels, "--plugins-dir", folder).output
    assert "lowest" in output
    assert "ZeroDivisionError" in output
    invoke(scores, "--labels", labels, "--plugins-dir", folder, "--strict", code=2)


def test_a_failing_aggregator_is_marked(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path)
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "nan.py").write_text(
        LOWEST_PLUGIN.replace("float(scores.p_fake.min())", "float('nan')")
    )
    result = invoke(scores, "--labels", labels, "--plugins-dir", folder, "--aggregator", "lowest")
    assert "lowest *" in result.output
    assert "the mean stood in" in result.output


def test_the_threshold_is_the_runs_own_unless_given(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path, meta={"threshold": 0.6})
    arguments = (scores, "--labels", labels, "--aggregator", "mean", "--json")
    own = json.loads(invoke(*arguments).stdout)["aggregators"][0]
    given = json.loads(invoke(*arguments, "--threshold", "0.2").stdout)["aggregators"][0]
    assert (own["threshold"], given["threshold"]) == (0.6, 0.2)
    assert own["recall"] < given["recall"]
    assert own["auc"] == given["auc"]


def test_a_calibration_fitted_on_these_files_is_called_in_sample(tmp_path: Path) -> None:
    names = hash_names(["000.mp4", "001.mp4", "elsewhere.mp4"])
    calibration = {"aggregator": "mean", "threshold": 0.4, "fitted_on": {"names": names}}
    scores, labels = make_run(tmp_path, meta={"calibration": calibration})
    arguments = (scores, "--labels", labels, "--aggregator", "max")
    rows = json.loads(invoke(*arguments, "--json").stdout)["aggregators"]
    assert {row["aggregator"]: row["in_sample"] for row in rows} == {"mean": 2, "max": 0}
    assert "mean: In-sample" in invoke(*arguments).output


def test_mistakes_are_errors_of_use(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path)
    invoke(scores, code=2)
    invoke(scores, "--labels", labels, "--aggregator", "topkk", code=2)
    invoke(scores, "--labels", labels, "--frames", "4,x", code=2)
    invoke(scores, "--labels", labels, "--frames", "0", code=2)
    invoke(tmp_path / "nothing.jsonl", "--labels", labels, code=2)
    nowhere = tmp_path / "nowhere" / "table.csv"
    result = invoke(scores, "--labels", labels, "--csv", nowhere, code=2)
    assert f"{nowhere} cannot be written" in result.output


def test_options_have_environment_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, labels = make_run(tmp_path)
    monkeypatch.setenv("DFSUBMIT_COMPARE_LABELS", str(labels))
    monkeypatch.setenv("DFSUBMIT_COMPARE_AGGREGATOR", "mean")
    data = json.loads(invoke(scores, "--json").stdout)
    assert [entry["aggregator"] for entry in data["aggregators"]] == ["mean"]


def test_same_seed_same_intervals(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path)
    first, again = (compared([scores], labels, seed=3).reference.intervals for _ in range(2))
    assert first == again
    assert not any(math.isnan(end) for ends in first.values() for end in ends)
