"""Every file is in one share of many, the same one at any time and on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dfsubmit.errors import UsageError
from dfsubmit.shards import Shard, check_parts, number_of

NAMES = [f"clip{number:04}.mp4" for number in range(3000)]


def test_shares_are_about_equal_and_hold_every_file_once() -> None:
    shares = [[name for name in NAMES if Shard(k, 7).holds(name)] for k in range(1, 8)]
    assert sorted(name for share in shares for name in share) == NAMES
    assert all(350 < len(share) < 510 for share in shares)


def test_a_file_is_where_its_name_says() -> None:
    """By the name's bytes alone: other machines, other files beside it, a later version."""
    # By sha256sum, the first bytes of these are 75, bb, 25, ca, b8 and cd.
    names = [*(f"clip000{number}.mp4" for number in (1, 2, 3, 4)), "한국.mp4", "\udcff.mp4"]
    assert [number_of(name, 4) for name in names] == [2, 3, 1, 4, 3, 4]
    # A finer division cuts each share in two.
    assert all((number_of(name, 8) + 1) // 2 == number_of(name, 4) for name in NAMES)


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "1", "a/b", "1/2/3", "-1/2", ""])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)
    assert str(Shard.parse(" 3/ 16")) == "3/16"


@pytest.mark.parametrize(
    ("path", "folder", "beside"),
    [
        ("out/submission.csv", False, "out/submission-2-of-8.csv"),
        ("scores.txt", False, "scores-2-of-8.txt"),
        ("faces.v1", True, "faces.v1-2-of-8"),
    ],
)
def test_each_has_an_output_of_its_own(path: str, folder: bool, beside: str) -> None:
    assert Shard(2, 8).beside(Path(path), folder) == Path(beside)


def records(*numbers: int, of: int = 3) -> list[Any]:
    return [Shard(number, of).record(NAMES[:20]) for number in numbers]


def test_all_shares_are_accepted_in_any_order() -> None:
    check_parts(records(3, 1, 2), "dfsubmit run")
    check_parts([None, None], "dfsubmit run")


def test_missing_shares_are_named_with_what_they_held() -> None:
    held = [name for name in NAMES[:20] if Shard(2, 3).holds(name)]
    assert len(held) > 3
    with pytest.raises(UsageError) as caught:
        check_parts(records(1, 3), "dfsubmit run")
    assert caught.value.message == (
        f"1 of 3 shards are missing: 2/3 ({len(held)} files: {', '.join(held[:3])} "
        f"and {len(held) - 3} more)"
    )
    assert "dfsubmit run … --shard I/3" in caught.value.hint


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        (records(1, 2, 2, 3), "shard 2/3 is given 2 times"),
        ([*records(1, 2), *records(3, of=4)], "different divisions: into 3 and 4 parts"),
        ([*records(1, 2, 3), None], "some of these are shards and some are not"),
        ([{"number": 1}], "damaged"),
    ],
)
def test_what_is_no_whole_division_is_refused(parts: list[Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        check_parts(parts, "dfsubmit run")
