"""How often the forecast for a hidden set holds what the hidden set then shows.

    python -m benchmarks.forecasts [--sets 1000]

Draws labelled files and a hidden set of 1,500 from the same rates of true and false positives, and
asks `forecast`, as `evaluate --hidden` and `rehearse` do. Writes the table of docs/validation.md,
and exits with 1 where the interval at the same share of fakes holds the hidden figure in less than
90 % of sets, or where the table by shares is off by more than 0.02 on average (60 files or more).

In groups, each group has a share of wrong labels of its own, labelled and hidden ones alike.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from benchmarks.pages import finish
from dfsubmit.console import progress_bar
from dfsubmit.evaluation.forecast import SHARES, forecast
from dfsubmit.evaluation.reports.tables import markdown_table
from dfsubmit.metrics import Predictions, label_metrics, point
from dfsubmit.records import FloatArray, IntArray

FLOOR, LARGEST_ERROR, ENOUGH_FILES = 0.90, 0.02, 60
HIDDEN = 1500
SAMPLES = 1000
"""Draws of a forecast, fewer than a user's."""


@dataclass(frozen=True)
class Case:
    """Labelled files of one kind.

    Attributes:
        files: their number.
        share: of fakes among labelled and hidden files.
        rates: of true and false positives.
        size: files of a group.
    """

    files: int
    share: float
    rates: tuple[float, float]
    size: int = 1

    def draw(
        self, random: np.random.Generator, files: int, share: float
    ) -> tuple[Predictions, IntArray]:
        """So many files, at a share of fakes, both classes among them; and their groups."""
        labels = (random.uniform(size=files) < share).astype(np.int64)
        labels[:2] = 0, 1
        groups = np.arange(files) // self.size
        wrong = np.where(labels == 1, 1 - self.rates[0], self.rates[1])
        if self.size > 1:  # beta distributed over groups, an eighth of the variance between them
            odds = random.beta(7 * wrong[0], 7 * (1 - wrong[0]), int(groups.max()) + 1)
            wrong = odds[groups]
        said = np.where(random.uniform(size=files) < wrong, 1 - labels, labels)
        return Predictions(labels, said, None, np.ones(files, dtype=bool)), groups

    def truth(self, share: float) -> float:
        """Macro F1 of very many files at a share of fakes."""
        recall, fallout = self.rates
        cells = [share * recall, (1 - share) * fallout]
        cells += [share * (1 - recall), (1 - share) * (1 - fallout)]
        return float(label_metrics(np.array([cells]))["macro_f1"][0])


CASES = (
    Case(30, 0.5, (0.95, 0.05)),
    Case(60, 0.5, (0.9, 0.1)),
    Case(300, 0.5, (0.9, 0.1)),
    Case(300, 0.5, (0.7, 0.2)),
    Case(300, 0.1, (0.9, 0.1)),
    Case(60, 0.5, (0.85, 0.15), size=6),
    Case(300, 0.5, (0.85, 0.15), size=15),
)


def held(case: Case, sets: int, seed: int) -> tuple[float, FloatArray, FloatArray]:
    """How often the forecast's interval holds the hidden figure: at the same share of fakes, and
    for each of `SHARES` (5,); and the mean error of the table's figures (5,)."""
    random = np.random.default_rng(seed)
    same, at_shares, errors = 0.0, np.zeros(len(SHARES)), np.zeros(len(SHARES))
    for number in range(sets):
        found = forecast(*case.draw(random, case.files, case.share), HIDDEN, number, SAMPLES)
        assert found is not None
        figures = [
            point(case.draw(random, HIDDEN, share)[0], ["macro_f1"])["macro_f1"]
            for share in (case.share, *SHARES)
        ]
        low, high = found.interval
        same += low <= figures[0] <= high
        for place, row in enumerate(found.at_shares):
            low, high = row.interval
            at_shares[place] += low <= figures[1 + place] <= high
            errors[place] += row.macro_f1 - case.truth(row.share)
    return same / sets, at_shares / sets, errors / sets


def main() -> None:
    """Simulate, write the table, and compare with the floors."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=1000)
    sets = parser.parse_args().sets
    rows, missed = [], []
    bar = progress_bar(len(CASES), "cases", shown=True)
    for number, case in enumerate(CASES):
        same, at_shares, errors = held(case, sets, number)
        files = f"{case.files} files" + (f" in groups of {case.size}" if case.size > 1 else "")
        worst = float(np.abs(errors).max())
        rows.append(
            [
                files,
                f"{case.share:.0%}",
                f"{case.rates[0]:.2f}, {case.rates[1]:.2f}",
                f"{100 * same:.1f} %",
                ", ".join(f"{100 * share:.0f}" for share in at_shares) + " %",
                f"{worst:.3f}",
            ]
        )
        off = case.files >= ENOUGH_FILES and worst > LARGEST_ERROR
        if same < FLOOR or off:
            missed.append(f"{rows[-1]}")
        bar.update()
    bar.close()
    shares = ", ".join(f"{share:.0%}" for share in SHARES)
    header = ["labelled", "fakes", "true, false positive rate", "hidden figure held"]
    header += [f"held at {shares} fakes", "largest mean error of the table"]
    text = f"{sets} sets a line, {HIDDEN} hidden files.\n\n{markdown_table(header, rows)}"
    finish("forecasts", text, missed)


if __name__ == "__main__":
    main()
