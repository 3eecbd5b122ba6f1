"""Splits by identity: nobody on both sides, whatever the data say, and shares that are kept."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfsubmit.errors import UsageError
from dfsubmit.extraction.index import FaceRow
from dfsubmit.finetuning.data.splits import split_faces, write_split
from dfsubmit.labels import FAKE, REAL


def face(label: int, *people: str, dataset: str = "d", split: str = "", frame: int = 0) -> FaceRow:
    video = "_".join(people) + ("f" if label else "r")
    return FaceRow(
        f"{video}/{frame}.png",
        label,
        "m",
        dataset,
        "",
        video,
        people[0],
        tuple(f"{dataset}:{name}" for name in people),
        split,
        frame,
        0.0,
        (0, 0, 1, 1),
    )


def pairs(count: int, frames: int = 3, dataset: str = "d") -> list[FaceRow]:
    """Real A, real B and the fake A_B, for so many pairs of people."""
    return [
        row
        for n in range(count)
        for frame in range(frames)
        for row in (
            face(REAL, f"{n}a", dataset=dataset, frame=frame),
            face(REAL, f"{n}b", dataset=dataset, frame=frame),
            face(FAKE, f"{n}a", f"{n}b", dataset=dataset, frame=frame),
        )
    ]


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 30), st.integers(0, 99), st.floats(0.1, 0.5))
def test_no_group_stands_on_both_sides(count: int, seed: int, share: float) -> None:
    rows = pairs(count)
    split = split_faces(rows, share=share, seed=seed)
    people = [
        {name for i in side for name in rows[i].identities}
        for side in (split.learn, split.validate)
    ]
    assert not people[0] & people[1]
    assert sorted(split.learn + split.validate) == list(range(len(rows)))
    assert abs(len(split.validate) - share * len(rows)) <= 9  # one group


def test_the_seed_decides_and_nothing_else() -> None:
    rows = pairs(20)
    assert split_faces(rows, seed=1) == split_faces(rows, seed=1)
    assert split_faces(rows, seed=1).validate != split_faces(rows, seed=2).validate


def test_groups_are_dealt_at_random_and_not_from_the_largest_on() -> None:
    """120 groups with a heavy tail: the largest ones alone would be a fifth of the faces."""
    rows = [
        row
        for n in range(120)
        for frame in range(1 + 400 // (n + 2))
        for row in (face(REAL, f"{n}", frame=frame), face(FAKE, f"{n}", frame=frame))
    ]
    counts, largest = [], set()
    for seed in range(10):
        split = split_faces(rows, seed=seed)
        assert len(split.validate) == pytest.approx(0.2 * len(rows), rel=0.2)
        groups = [split.groups[i] for i in split.validate]
        counts.append(len(set(groups)))
        largest.add(max(set(groups), key=groups.count))
    assert sum(counts) / len(counts) > 10
    assert len(largest) > 3


def test_data_sets_that_share_people_are_split_together() -> None:
    """Celeb-DF's two releases: half of the people of one are in the other."""
    for seed in range(20):
        first = pairs(20)
        second = [dataclasses.replace(row, dataset="e") for row in pairs(30)[90:]]
        split = split_faces(first + second, seed=seed)
        assert not split.shared_groups()
        for dataset in ("d", "e"):
            found = [(first + second)[i].dataset for i in split.validate].count(dataset)
            assert found == pytest.approx(36, abs=9)


def test_a_data_sets_own_split_holds_for_what_others_have_of_its_people() -> None:
    official = [
        face(label, name, split=split)
        for name, split in (("a", "train"), ("b", "val"))
        for label in (REAL, FAKE)
    ]
    other = [dataclasses.replace(row, dataset="e", split="") for row in official]
    split = split_faces(official + other)
    assert split.validate == [2, 3, 6, 7]


def test_every_data_set_and_class_gets_its_share() -> None:
    rows = pairs(20, dataset="x") + pairs(10, dataset="y")
    split = split_faces(rows, share=0.2)
    for dataset, label, expected in (("x", 0, 24), ("x", 1, 12), ("y", 0, 12), ("y", 1, 6)):
        found = [i for i in split.validate if (rows[i].dataset, rows[i].label) == (dataset, label)]
        assert len(found) == expected


def test_a_frame_split_is_stratified_and_leaks() -> None:
    rows = pairs(20, frames=10)
    split = split_faces(rows, by="frame", share=0.2)
    assert sum(rows[i].label == FAKE for i in split.validate) == 40
    assert sum(rows[i].label == REAL for i in split.validate) == 80
    assert split.shared_groups()


def test_the_datas_own_split_is_kept() -> None:
    rows = [
        face(label, name, split=split)
        for name, split in (("a", "train"), ("b", "val"), ("c", "test"), ("e", ""))
        for label in (REAL, FAKE)
    ]
    split = split_faces(rows)
    assert {rows[i].identities[0] for i in split.validate} == {"d:b"}
    assert {rows[i].identities[0] for i in split.test} == {"d:c"}
    assert {rows[i].identities[0] for i in split.learn} == {"d:a", "d:e"}


def test_a_given_split_that_tears_a_group_apart_is_refused() -> None:
    rows = [
        face(label, name, split=split)
        for name, split in (("a", "train"), ("b", "val"))
        for label in (REAL, FAKE)
    ]
    torn = face(FAKE, "a", "b", split="train")
    with pytest.raises(UsageError, match="d:a") as error:
        split_faces([*rows, torn])
    assert "--allow-shared" in error.value.hint
    assert split_faces([*rows, torn], allow_shared=True).shared_groups() == {"d:a"}


def test_extractions_of_one_data_set_are_tied_together() -> None:
    """Two folders, each extracted alone, in which only both together show that a knows b."""
    first = [face(REAL, "a"), face(REAL, "b"), face(REAL, "c"), face(FAKE, "c")]
    second = [face(FAKE, "a", "b")]
    split = split_faces(first + second, share=0.5)
    assert split.groups[0] == split.groups[1] == split.groups[4]


def test_an_official_test_list_that_knows_its_people_is_reported() -> None:
    rows = [*pairs(10), face(FAKE, "0a", split="test"), face(REAL, "new", split="test")]
    split = split_faces(rows)
    learned = {"d:0a"} if any(split.groups[i] == "d:0a" for i in split.learn) else set()
    assert split.test_groups_learned() == learned
    assert len(split.test) == 2


def test_a_data_set_held_out_only_tests() -> None:
    rows = pairs(10, dataset="x") + pairs(5, dataset="y")
    split = split_faces(rows, hold_out=["y"])
    assert {rows[i].dataset for i in split.test} == {"y"}
    assert {rows[i].dataset for i in split.learn + split.validate} == {"x"}
    with pytest.raises(UsageError, match="--hold-out z"):
        split_faces(rows, hold_out=["z"])


def test_a_data_set_held_out_shares_nobody_unless_that_is_allowed() -> None:
    rows = pairs(10) + [dataclasses.replace(row, dataset="y") for row in pairs(4)]
    for by in ("group", "frame"):
        with pytest.raises(UsageError, match=r"--hold-out y shares \d identity groups") as error:
            split_faces(rows, by, hold_out=["y"])
        assert "--allow-shared" in error.value.hint
    split = split_faces(rows, hold_out=["y"], allow_shared=True)
    assert split.test_groups_learned()


def test_what_cannot_be_split_is_refused_with_the_reason() -> None:
    with pytest.raises(UsageError, match="no fake face to learn from"):
        split_faces([face(REAL, "a"), face(REAL, "b")])
    with pytest.raises(UsageError, match="no real face to validate on") as error:
        split_faces([face(REAL, "a"), face(FAKE, "a")])
    assert "one identity group" in error.value.hint
    with pytest.raises(UsageError, match="no real face to learn from") as error:
        split_faces(pairs(4), hold_out=["d"])
    assert "hold out less" in error.value.hint
    with pytest.raises(UsageError, match="--val"):
        split_faces(pairs(4), share=1.0)


def test_the_written_split_names_the_side_of_every_face(tmp_path: Path) -> None:
    rows = pairs(5)
    split = split_faces(rows)
    write_split(tmp_path / "split.csv", rows, split)
    with (tmp_path / "split.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert [i for i, line in enumerate(lines) if line["split"] == "val"] == split.validate
    assert [line["crop"] for line in lines] == [row.crop for row in rows]
