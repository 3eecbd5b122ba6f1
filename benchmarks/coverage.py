"""How often the intervals hold the truth, and how often chance alone gives a verdict.

    python -m benchmarks.coverage [--sets 1000]

Draws labelled files whose truth is known, and asks the functions that the commands ask. Writes the
tables of docs/validation.md, and exits with 1 where a floor is missed: with ten groups or more,
intervals of macro F1 hold the truth in 93 % of sets and those of AUC in 90 %, and twelve rules as
good as the reference get a verdict in 7 % at most.

A file's score is normal around its class, so that both classes are right equally often. In groups,
half of its variance is the group's, and a group has one class.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from benchmarks.pages import finish
from dfsubmit.console import progress_bar
from dfsubmit.evaluation.reports.tables import markdown_table
from dfsubmit.evaluation.statistics.best import best_out_of_fold
from dfsubmit.evaluation.statistics.swaps import LEVEL, adjusted_p
from dfsubmit.intervals.auc import auc_interval
from dfsubmit.intervals.groups import FEW_GROUPS
from dfsubmit.intervals.labels import difference_interval, label_interval
from dfsubmit.metrics import Predictions, label_metrics, point
from dfsubmit.records import FloatArray, IntArray

F1_FLOOR, AUC_FLOOR, MOST_VERDICTS = 0.93, 0.90, 0.07
RULES = 13
SHARED = 0.9
"""Of the noise of a rule's score, the part of the variance that all rules have in common."""
# Quantiles of fewer draws than a user's, on average the same.
SAMPLES = 1000

NORMAL = NormalDist()


@dataclass(frozen=True)
class Case:
    """Labelled files of one kind.

    Attributes:
        name: in the table.
        files, groups: counts; as many groups as files for files on their own.
        fakes: the share of groups that are fake.
        right: the share of files of either class that a rule labels rightly.
    """

    name: str
    files: int
    groups: int
    fakes: float
    right: float

    @property
    def macro_f1(self) -> float:
        """The truth."""
        fakes = round(self.groups * self.fakes) / self.groups
        wrong = 1 - self.right
        cells = [[fakes * self.right, (1 - fakes) * wrong, fakes * wrong, (1 - fakes) * self.right]]
        return float(label_metrics(np.array(cells))["macro_f1"][0])

    @property
    def auc(self) -> float:
        """The truth: the chance that a fake's score lies above a real's."""
        return NORMAL.cdf(math.sqrt(2) * NORMAL.inv_cdf(self.right))

    def draw(
        self, random: np.random.Generator, right: Sequence[float]
    ) -> tuple[list[Predictions], IntArray]:
        """One set of files: the labels and scores of a rule for each of `right`, and the groups."""
        groups = np.arange(self.files) * self.groups // self.files
        labels = (groups < round(self.groups * self.fakes)).astype(np.int64)

        def noise() -> FloatArray:
            own: FloatArray = random.normal(size=self.files)
            if self.groups == self.files:
                return own
            shared: FloatArray = random.normal(size=self.groups)
            return np.asarray((shared[groups] + own) / math.sqrt(2))

        common = noise()
        rules = []
        for rate in right:
            centre = (2 * labels - 1) * NORMAL.inv_cdf(rate)
            score = centre + math.sqrt(SHARED) * common + math.sqrt(1 - SHARED) * noise()
            p_fake = np.asarray(1 / (1 + np.exp(-score)))
            said = (score > 0).astype(np.int64)
            rules.append(Predictions(labels, said, p_fake, np.ones(self.files, dtype=bool)))
        return rules, groups


KINDS = (
    ("30 files", 30, 30, 0.5),
    ("60 files", 60, 60, 0.5),
    ("27 real, 3 fake", 30, 30, 0.1),
    ("300 files", 300, 300, 0.5),
    ("10 groups of 6", 60, 10, 0.5),
    ("20 groups of 15", 300, 20, 0.5),
    ("5 groups of 12", 60, 5, 0.4),
)
CASES = [Case(*kind, right) for right in (0.95, 0.75) for kind in KINDS]
FAMILIES = [
    Case("30 files", 30, 30, 0.5, 0.75),
    Case("57 files", 57, 57, 0.5, 0.75),
    Case("300 files", 300, 300, 0.5, 0.75),
    Case("10 groups of 6", 60, 10, 0.5, 0.75),
]


def held(case: Case, sets: int, seed: int) -> tuple[FloatArray, float]:
    """How often the intervals of macro F1, AUC, recall and of the difference of two equal rules
    hold the truth, float64 (4,); and the mean width of the first."""
    random = np.random.default_rng(seed)
    truths = (case.macro_f1, case.auc, case.right, 0.0)
    count, width = np.zeros(4), 0.0
    for number in range(sets):
        (rule, other), groups = case.draw(random, [case.right] * 2)
        found = [
            label_interval(rule, groups, "macro_f1", SAMPLES, number),
            auc_interval(rule, groups),
            label_interval(rule, groups, "recall", SAMPLES, number),
            difference_interval(rule, other, groups, samples=SAMPLES, seed=number),
        ]
        pairs = zip(found, truths, strict=True)
        # The ends are floats: a truth of exactly 0 may lie within rounding of one.
        count += [low - 1e-9 <= truth <= high + 1e-9 for (low, high), truth in pairs]
        width += found[0][1] - found[0][0]
    return count / sets, width / sets


def family(case: Case, sets: int, seed: int) -> FloatArray:
    """Of equal rules: the share of sets with a verdict, by how much the best of them looks too
    good, and the one chosen out of fold; and how often a rule that is right 10 % more often is
    called better among them: float64 (4,)."""
    random = np.random.default_rng(seed)
    sums = np.zeros(4)
    for number in range(sets):
        rules, groups = case.draw(random, [case.right] * RULES + [case.right + 0.1])
        *equal, better = rules
        p = adjusted_p(equal[0], equal[1:], groups, SAMPLES, number)
        f1 = [point(rule, ["macro_f1"])["macro_f1"] for rule in equal]
        nested = point(best_out_of_fold(equal, groups, number), ["macro_f1"])["macro_f1"]
        found = adjusted_p(equal[0], [*equal[2:], better], groups, SAMPLES, number)[-1]
        sums += [
            (p <= LEVEL).any(),
            max(f1) - case.macro_f1,
            nested - case.macro_f1,
            found <= LEVEL,
        ]
    return sums / sets


def main() -> None:
    """Simulate, write the tables, and compare with the floors."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=1000)
    sets = parser.parse_args().sets
    missed, rows, verdicts = [], [], []
    bar = progress_bar(len(CASES) + len(FAMILIES), "cases", shown=True)
    for number, case in enumerate(CASES):
        shares, width = held(case, sets, number)
        cells = [f"{100 * share:.1f} %" for share in shares]
        few = " (too few)" if case.groups < FEW_GROUPS else ""
        rows.append([case.name + few, f"{case.macro_f1:.2f}", *cells, f"{width:.2f}"])
        if not few and (shares[0] < F1_FLOOR or shares[1] < AUC_FLOOR):
            missed.append(f"{case.name}, macro F1 {case.macro_f1:.2f}: {cells[:2]}")
        bar.update()
    for number, case in enumerate(FAMILIES):
        found, best, nested, power = family(case, max(1, sets // 2), number)
        shown = [f"{100 * found:.1f} %", f"{best:+.3f}", f"{nested:+.3f}", f"{100 * power:.0f} %"]
        verdicts.append([case.name, *shown])
        if found > MOST_VERDICTS:
            missed.append(f"verdicts on {case.name}: {shown[0]}")
        bar.update()
    bar.close()
    header = ["labelled files", "true macro F1", "macro F1", "AUC", "recall"]
    header += ["difference of two rules", "mean width, macro F1"]
    held_table = markdown_table(header, rows)
    header = ["labelled files", "a verdict among 12 equal rules", "the best of 13 looks better by"]
    header += ["chosen out of fold, by", "a rule right 10 % more often is found"]
    text = f"{sets} sets of files a line.\n\n{held_table}\n\n"
    text += f"{max(1, sets // 2)} sets a line.\n\n{markdown_table(header, verdicts)}"
    finish("coverage", text, missed)


if __name__ == "__main__":
    main()
