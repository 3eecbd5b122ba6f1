"""Faces → a training set, a validation set and test sets.

`split_faces` splits by identity group, so that no person is on both sides, and checks this.
``frame`` is EXP-004's split, which puts frames of one video on both sides and gives inflated
metrics; it is available to show the difference.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfsubmit.console import first_few
from dfsubmit.errors import UsageError
from dfsubmit.extraction.groups import identity_groups
from dfsubmit.extraction.index import FaceRow
from dfsubmit.files import write_atomically
from dfsubmit.labels import LABEL_NAMES, LABELS


@dataclass(frozen=True)
class Split:
    """Positions of faces, each in exactly one of three lists.

    Attributes:
        learn: the faces that the model is fitted to.
        validate: the faces that choose the weights that are kept.
        test: faces that neither sees: an official test list, and data sets held out.
        groups: for every face, its identity group.
        by: "group" or "frame".
    """

    learn: list[int]
    validate: list[int]
    test: list[int]
    groups: list[str]
    by: str

    @property
    def sides(self) -> dict[str, list[int]]:
        """The three lists by what is done with their faces."""
        return {"learn": self.learn, "validate": self.validate, "test": self.test}

    def shared_groups(self) -> set[str]:
        """The groups on both sides; empty for a split without leakage."""
        sides = ({self.groups[row] for row in side} for side in (self.learn, self.validate))
        return set.intersection(*sides)

    def test_groups_learned(self) -> set[str]:
        """The groups of test faces that the model also learns from: Celeb-DF's official list has
        such, since its few celebrities stand in both of its parts."""
        return {self.groups[row] for row in self.test} & {self.groups[row] for row in self.learn}


def split_faces(
    rows: Sequence[FaceRow],
    by: str = "group",
    share: float = 0.2,
    seed: int = 0,
    hold_out: Sequence[str] = (),
    allow_shared: bool = False,
) -> Split:
    """Split the faces of one or several data sets.

    A data set that names validation faces in its ``split`` column keeps them. The groups of all
    others are split here, over all data sets at once, since data sets may share people.

    Args:
        by: "group", or "frame" for single frames at random, whatever they show.
        share: of the faces that goes to validation, in (0, 1).
        seed: of the random choice.
        hold_out: data sets that only test.
        allow_shared: whether a data set held out, or a split that comes with the data, may share
            groups with the faces learned from.

    Raises:
        UsageError: a side would lack a class, the data's own split tears a group apart, or a data
            set to hold out is not there or shares groups.
    """
    if not 0 < share < 1:
        raise UsageError(f"--val {share}: a share between 0 and 1 is possible")
    known = {row.dataset for row in rows}
    for name in hold_out:
        if name not in known:
            raise UsageError(
                f"--hold-out {name}: there is no such data set", first_few(sorted(known))
            )
    groups = identity_groups([row.identities for row in rows])
    test = [i for i, row in enumerate(rows) if row.dataset in hold_out or row.split == "test"]
    tested = set(test)
    own = [i for i in range(len(rows)) if i not in tested]
    choose = _by_frame if by == "frame" else _by_group
    chosen = choose(rows, own, groups, share, np.random.default_rng(seed))
    validate = [i for i in own if i in chosen]
    learn = [i for i in own if i not in chosen]
    split = Split(learn, validate, test, groups, by)
    _check(rows, split)
    if not allow_shared:
        _check_shared(rows, split, hold_out)
    return split


Stratum = tuple[str, int]
"""A data set and a class: what each side has its share of."""


def _by_frame(
    rows: Sequence[FaceRow],
    own: Sequence[int],
    groups: Sequence[str],
    share: float,
    chance: np.random.Generator,
) -> set[int]:
    members: dict[Stratum, list[int]] = {}
    for i in own:
        members.setdefault((rows[i].dataset, rows[i].label), []).append(i)
    chosen: set[int] = set()
    for _, faces in sorted(members.items()):
        picked = chance.permutation(len(faces))[: round(share * len(faces))]
        chosen |= {faces[position] for position in picked}
    return chosen


def _by_group(
    rows: Sequence[FaceRow],
    own: Sequence[int],
    groups: Sequence[str],
    share: float,
    chance: np.random.Generator,
) -> set[int]:
    """Whole groups, until each class of each data set has its share as nearly as may be.

    Groups are visited at random and taken whenever that brings the counts nearer to the share. A
    class of a data set of which even the smallest group would be too much gets that one all the
    same, as long as another is left. Groups of a data set that brings its own split stay where
    that has them, with all that other data sets hold of them.
    """
    given = {rows[i].dataset for i in own if rows[i].split == "val"}
    official = {i for i in own if rows[i].dataset in given}
    chosen = {i for i in official if rows[i].split == "val"}
    sides = {groups[i]: i in chosen for i in official}  # of a group that it tears apart: either
    members: dict[str, list[int]] = {}
    for i in own:
        if i in official:
            continue
        if groups[i] not in sides:
            members.setdefault(groups[i], []).append(i)
        elif sides[groups[i]]:
            chosen.add(i)
    strata: dict[Stratum, int] = {}
    for faces in members.values():
        for i in faces:
            strata.setdefault((rows[i].dataset, rows[i].label), len(strata))
    counts = {
        name: np.bincount(
            [strata[rows[i].dataset, rows[i].label] for i in faces], minlength=len(strata)
        )
        for name, faces in members.items()
    }
    missing = share * sum(counts.values(), np.zeros(len(strata)))
    names = sorted(members)
    names = [names[position] for position in chance.permutation(len(names))]
    taken: set[str] = set()
    for name in names:
        after = missing - counts[name]
        if np.abs(after).sum() < np.abs(missing).sum():
            missing = after
            taken.add(name)
    for stratum in range(len(strata)):
        having = [name for name in names if counts[name][stratum]]
        if len(having) > 1 and not taken.intersection(having):
            taken.add(min(having, key=lambda name: len(members[name])))
    return chosen | {i for name in taken for i in members[name]}


def _check(rows: Sequence[FaceRow], split: Split) -> None:
    """Check that neither side lacks a class."""
    for side, name in ((split.learn, "learn from"), (split.validate, "validate on")):
        for word, label in LABELS.items():
            if not any(rows[i].label == label for i in side):
                hint = "extract faces of both classes, and of more people"
                used = {split.groups[i] for i in (*split.learn, *split.validate)}
                if not used:
                    hint = "all of them only test: hold out less"
                elif len(used) < 2:
                    hint = (
                        "all faces belong to one identity group: extract more videos, or use "
                        "--split frame, knowing that its figures will not hold"
                    )
                raise UsageError(f"there is no {word} face to {name}", hint)


def _check_shared(rows: Sequence[FaceRow], split: Split, hold_out: Sequence[str]) -> None:
    """No group may stand on both sides, unless frames are split, nor be learned from and held
    out."""
    remedy = "--allow-shared goes on all the same, and says so with every figure"
    shared = split.shared_groups()
    if split.by == "group" and shared:
        raise UsageError(
            f"{len(shared)} identity groups stand on both sides of the split: "
            f"{first_few(sorted(shared), 20)}",
            f"the split given with the data tears them apart: correct it, or remove it; {remedy}",
        )
    learned = {split.groups[i] for i in split.learn}
    for name in hold_out:
        shared = {split.groups[i] for i in split.test if rows[i].dataset == name} & learned
        if shared:
            raise UsageError(
                f"--hold-out {name} shares {len(shared)} identity groups with the faces learned "
                f"from: {first_few(sorted(shared))}",
                f"its figures would promise too much for people never seen; {remedy}",
            )


def write_split(path: Path, rows: Sequence[FaceRow], split: Split) -> None:
    """Write ``split.csv``: one line a face: its side, data set, video, crop, label and group."""
    sides = {
        i: name
        for name, side in (("learn", split.learn), ("val", split.validate), ("test", split.test))
        for i in side
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("split", "dataset", "video", "crop", "label", "group"))
    for i, row in enumerate(rows):
        label = LABEL_NAMES[row.label]
        writer.writerow((sides[i], row.dataset, row.video, row.crop, label, split.groups[i]))
    write_atomically(path, text.getvalue())
