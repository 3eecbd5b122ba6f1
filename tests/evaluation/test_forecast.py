"""What a hidden set will show: intervals that hold, and the same model at other shares of fakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scores_samples import make_run
from sklearn.metrics import f1_score

from dfsubmit.cli import main
from dfsubmit.evaluation.forecast import SHARES, Forecast, forecast
from dfsubmit.metrics import Predictions
from dfsubmit.records import IntArray


def drawn(
    random: np.random.Generator, n: int, share: float, rates: tuple[float, float]
) -> Predictions:
    labels = (random.uniform(size=n) < share).astype(np.int64)
    labels[:2] = 0, 1
    said = random.uniform(size=n) < np.where(labels == 1, *rates)
    return Predictions(labels, said.astype(np.int64), None, np.ones(n, bool))


def made(predictions: Predictions, groups: IntArray | None = None, hidden: int = 1500) -> Forecast:
    groups = np.arange(len(predictions)) if groups is None else groups
    found = forecast(predictions, groups, hidden, samples=2000)
    assert found is not None
    return found


def f1(predictions: Predictions) -> float:
    return float(f1_score(predictions.labels, predictions.predicted, average="macro"))


@pytest.mark.parametrize(("n", "share"), [(60, 0.5), (300, 0.2)])
def test_it_holds_the_figure_of_the_hidden_files(n: int, share: float) -> None:
    random, held, at_ten = np.random.default_rng(5), 0, 0
    for _ in range(200):
        found = made(drawn(random, n, share, (0.85, 0.1)))
        low, high = found.interval
        held += low <= f1(drawn(random, 1500, share, (0.85, 0.1))) <= high
        low, high = found.at_shares[0].interval
        at_ten += low <= f1(drawn(random, 1500, 0.1, (0.85, 0.1))) <= high
    assert held >= 180
    assert at_ten >= 180


def test_the_table_is_the_truth_at_each_share_on_average() -> None:
    random, rates = np.random.default_rng(6), (0.9, 0.15)
    tables = [
        [row.macro_f1 for row in made(drawn(random, 300, 0.5, rates)).at_shares] for _ in range(60)
    ]
    for share, column in zip(SHARES, np.array(tables).T, strict=True):
        truth = f1(drawn(random, 1_000_000, share, rates))
        assert column.mean() == pytest.approx(truth, abs=0.02)


def test_at_its_own_share_the_table_gives_the_measured_figure() -> None:
    labels, said = (
        np.repeat([1, 1, 0, 0], [40, 10, 45, 5]),
        np.repeat([1, 0, 0, 1], [40, 10, 45, 5]),
    )
    item = Predictions(labels, said, None, np.ones(100, bool))
    found = made(item)
    assert (found.true_positive_rate, found.false_positive_rate) == (0.8, 0.1)
    half = found.at_shares[SHARES.index(0.5)]
    assert half.macro_f1 == pytest.approx(f1(item))
    assert half.interval[0] < half.macro_f1 < half.interval[1]


def test_fewer_hidden_files_and_groups_make_it_wider() -> None:
    item = drawn(np.random.default_rng(0), 120, 0.5, (0.8, 0.2))

    def width(**changes: object) -> float:
        low, high = made(item, **changes).interval  # type: ignore[arg-type]
        return high - low

    assert width(hidden=30) > 1.3 * width(hidden=100_000)
    right = np.argsort(item.labels != item.predicted, kind="stable")
    alike = np.empty(120, np.int64)
    alike[right] = np.arange(120) // 6  # files of a group are right or wrong together
    assert width(groups=alike) > 1.3 * width()


def test_there_is_none_without_both_classes() -> None:
    item = drawn(np.random.default_rng(0), 20, 0.5, (0.8, 0.2))
    assert forecast(item.take(item.labels == 1), np.arange(int(item.labels.sum())), 100) is None


def test_evaluate_prints_it_where_asked(tmp_path: Path) -> None:
    scores, labels = make_run(tmp_path)
    arguments = ["evaluate", str(scores), "--labels", str(labels)]
    plain = CliRunner().invoke(main, arguments)
    assert "hidden" not in plain.output
    markdown = tmp_path / "report.md"
    result = CliRunner().invoke(main, [*arguments, "--hidden", "900", "--markdown", str(markdown)])
    assert "Of 900 hidden files like these" in result.output
    assert "| 10% |" in markdown.read_text()
    data = json.loads(CliRunner().invoke(main, [*arguments, "--hidden", "900", "--json"]).stdout)
    assert [row["share"] for row in data["forecast"]["at_shares"]] == list(SHARES)
    low, high = data["forecast"]["interval"]
    assert low < data["macro_f1"] < high
