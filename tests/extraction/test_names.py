"""Names of files in flat folders, and the groups that they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfsubmit.extraction.groups import identity_groups
from dfsubmit.extraction.names import shared_names
from dfsubmit.extraction.remarks import remarks
from dfsubmit.extraction.sources import Source
from dfsubmit.labels import FAKE, REAL


def groups(real: list[str], fake: list[str]) -> dict[str, str]:
    """The group of each file, by "real/" or "fake/" and its path."""
    shown = shared_names([Path(name) for name in real], [Path(name) for name in fake])
    names = [*(f"real/{name}" for name in real), *(f"fake/{name}" for name in fake)]
    return dict(zip(names, identity_groups([*shown[0], *shown[1]]), strict=True))


def together(real: list[str], fake: list[str]) -> list[set[str]]:
    """The sets of files that are tied, each once."""
    found = groups(real, fake)
    sets = {group: {name for name in found if found[name] == group} for group in found.values()}
    return list(sets.values())


@pytest.mark.parametrize(
    ("names", "other"),
    [
        (["video7/frame001.jpg", "video7/frame002.jpg"], "video8/frame001.jpg"),
        (["abc_12.png", "abc_13.png", "abc-frame_014.jpg"], "abd_12.png"),
        (["abc_frame12_face0.png", "abc_frame13_face1.png"], "abd_frame12_face0.png"),
        (["df_image_105_23.png", "df_image_105_4.png"], "df_image_106_4.png"),
        (["id0_0001.mp4", "id0_0002.mp4", "id0_0003_12.png"], "id1_0001.mp4"),
        (["000_1.png", "000_002.png"], "001_1.png"),
    ],
)
def test_frames_and_videos_of_one_name_are_tied(names: list[str], other: str) -> None:
    assert together([*names, other], [])[0] == {f"real/{name}" for name in names}


def test_a_pair_ties_both_of_its_sequences() -> None:
    found = together(["000_7.png", "003_9.png", "005_1.png"], ["000_003_12.png", "000_003_13.png"])
    assert sorted(map(len, found)) == [1, 4]
    found = together(["000.png", "003.png"], ["000_003.png", "005_006.mp4"])
    assert {"real/000.png", "real/003.png", "fake/000_003.png"} in found
    assert together(["id0_1.mp4", "id16_1.mp4"], ["id0_id16_0001.mp4"]) == [
        {"real/id0_1.mp4", "real/id16_1.mp4", "fake/id0_id16_0001.mp4"}
    ]


def test_two_numbers_are_no_pair_where_real_files_have_them_too() -> None:
    found = together(["000_012.png", "003_012.png"], ["000_003.png", "003_012.png"])
    assert sorted(map(sorted, found)) == [
        ["fake/000_003.png", "real/000_012.png"],
        ["fake/003_012.png", "real/003_012.png"],
    ]


def test_a_name_that_all_files_have_says_nothing() -> None:
    assert (
        len(together([f"img_{n}.png" for n in range(9)], [f"fake_{n}.png" for n in range(9)])) == 18
    )
    assert len(together(["0001.png", "0002.png"], ["a.mp4", "b_1.mp4", "b_2.mp4"])) == 5


def source(name: str, label: int, *people: str, split: str = "") -> Source:
    return Source(Path(name), name, label, "set", "m", people, split=split)


def test_what_was_assumed_is_said() -> None:
    sources = [source(f"real/v7_{n}.png", REAL, "set:v7") for n in range(30)]
    (remark,) = remarks([*sources, source("fake/a.png", FAKE, "set:a")], "real-fake")
    assert "2 groups" in remark
    assert "real/v7_0.png, with 30 files" in remark


def test_files_that_are_all_alone_are_warned_of() -> None:
    alone = [source(f"{n}.png", label, f"set:{n}") for n in range(4) for label in (REAL, FAKE)]
    assert any("no group has two files of a class" in remark for remark in remarks(alone, "csv"))
    two = [source("4.png", REAL, "set:0")]
    assert not remarks([*alone, *two], "csv")
