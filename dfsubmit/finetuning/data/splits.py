"""Faces → a set to learn from, a set to validate on, and sets that only test.

`split_faces` splits by identity group, so that nobody stands on both sides, and checks that this
is so. ``frame`` is EXP-004's own split, which puts frames of one video on both sides and promises
what does not hold; it stays available to show the difference.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfsubmit.console import first_few
from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.extraction.groups import identity_groups
from dfsubmit.extraction.index import FaceRow
from dfsubmit.files import write_atomically
from dfsubmit.records import FAKE, LABEL_NAMES, LABELS, REAL


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
        """The groups that stand on both sides; empty for a split that can be believed."""
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
) -> Split:
    """Split the faces of one or several data sets.

    A data set that names validation faces in its ``split`` column keeps them. All others are
    split here, class by class and data set by data set.

    Args:
        by: "group", or "frame" for single frames at random, whatever they show.
        share: of the faces that goes to validation, in (0, 1).
        seed: of the random choice.
        hold_out: data sets that only test.

    Raises:
        UsageError: a side would lack a class, the data's own split tears a group apart, or a data
            set to hold out is not there.
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
    learn: list[int] = []
    validate: list[int] = []
    chance = np.random.default_rng(seed)
    for dataset in sorted(known - set(hold_out)):
        own = [i for i, row in enumerate(rows) if row.dataset == dataset and i not in tested]
        if by == "frame":
            chosen = _by_frame(rows, own, share, chance)
        elif any(rows[i].split == "val" for i in own):
            chosen = {i for i in own if rows[i].split == "val"}
        else:
            chosen = _by_group(rows, own, groups, share, chance)
        validate += [i for i in own if i in chosen]
        learn += [i for i in own if i not in chosen]
    split = Split(learn, validate, test, groups, by)
    _check(rows, split)
    return split


def _by_frame(
    rows: Sequence[FaceRow], own: Sequence[int], share: float, chance: np.random.Generator
) -> set[int]:
    chosen: set[int] = set()
    for label in (REAL, FAKE):
        members = [i for i in own if rows[i].label == label]
        picked = chance.permutation(len(members))[: round(share * len(members))]
        chosen |= {members[position] for position in picked}
    return chosen


def _by_group(
    rows: Sequence[FaceRow],
    own: Sequence[int],
    groups: Sequence[str],
    share: float,
    chance: np.random.Generator,
) -> set[int]:
    """Whole groups, until each class has its share as nearly as may be.

    Groups are visited from the largest to the smallest, at random among equals, and taken
    whenever that brings the counts of both classes nearer to the share. A class of which even
    the smallest group would be too much gets that one all the same, as long as another is left.
    """
    members: dict[str, list[int]] = {}
    for i in own:
        members.setdefault(groups[i], []).append(i)
    counts = {
        name: np.bincount([rows[i].label for i in faces], minlength=2).astype(float)
        for name, faces in members.items()
    }
    missing = share * sum(counts.values(), np.zeros(2))
    names = sorted(members)
    names = [names[position] for position in chance.permutation(len(names))]
    chosen: set[str] = set()
    for name in sorted(names, key=lambda name: -len(members[name])):
        after = missing - counts[name]
        if np.abs(after).sum() < np.abs(missing).sum():
            missing = after
            chosen.add(name)
    for label in (REAL, FAKE):
        having = [name for name in names if counts[name][label]]
        if len(having) > 1 and not chosen.intersection(having):
            chosen.add(min(having, key=lambda name: len(members[name])))
    return {i for name in chosen for i in members[name]}


def _check(rows: Sequence[FaceRow], split: Split) -> None:
    """Neither side may lack a class, nor may a group stand on both.

    Raises:
        UsageError: the data cannot be split so.
        DfsubmitError: a group stands on both sides.
    """
    for side, name in ((split.learn, "learn from"), (split.validate, "validate on")):
        for word, label in LABELS.items():
            if not any(rows[i].label == label for i in side):
                hint = "extract faces of both classes, and of more people"
                used = {split.groups[i] for i in (*split.learn, *split.validate)}
                if len(used) < 2:
                    hint = (
                        "all faces belong to one identity group: extract more videos, or use "
                        "--split frame, knowing that its figures will not hold"
                    )
                raise UsageError(f"there is no {word} face to {name}", hint)
    shared = split.shared_groups()
    if split.by == "group" and shared:
        names = first_few(sorted(shared))
        raise DfsubmitError(
            f"{len(shared)} identity groups stand on both sides of the split: {names}",
            "the split given with the data tears them apart: correct it, or remove it",
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
