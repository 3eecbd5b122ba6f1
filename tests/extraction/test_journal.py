"""An extraction's journal: what holds is taken up, and damage costs the files that it is about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dfsubmit.errors import UsageError
from dfsubmit.extraction.journal import JOURNAL, CutFace, Entry, crop_path, resume
from dfsubmit.records import MediaFile, Status

HEADER = {"recipe": {"name": "x"}, "frames": 30, "already_cropped": False}
FILES = {name: MediaFile(Path("set") / name, name, 100, 7) for name in ("a.mp4", "b.mp4", "c.mp4")}
FACE = [3, 0.1, [0, 0, 20, 20], "crops/a.mp4/000003.png"]
NO_FACE = {"status": "no_face", "error": "no face in any frame", "faces": []}


def line(name: str, /, **changes: Any) -> dict[str, Any]:
    """A file's line, with one face."""
    faces = [[*FACE[:3], f"crops/{name}/000003.png"]]
    entry = {"name": name, "size": 100, "mtime_ns": 7, "status": "ok", "error": "", "faces": faces}
    return entry | changes


def resumed(folder: Path, *lines: object) -> tuple[set[str], int]:
    """The names that are taken up, and the number of those lost."""
    path = folder / JOURNAL
    folder.joinpath("crops").mkdir()
    for name in FILES:
        crop = folder / crop_path(name, 3)
        crop.parent.mkdir()
        crop.write_bytes(b"png")
    path.write_bytes(
        b"".join(
            entry if isinstance(entry, bytes) else json.dumps(entry).encode() + b"\n"
            for entry in lines
        )
    )
    entries, lost = resume(path, HEADER, FILES)
    assert resume(path, HEADER, FILES) == (entries, 0)  # nothing damaged is left in it
    return set(entries), lost


def test_an_entry_survives_a_round_trip() -> None:
    face = CutFace(3, 0.1, (-1, 0, 20, 20), crop_path("a/가\udcff.mp4", 3))
    other = CutFace(4, 0.2, (-1, 0, 20, 20), crop_path("a/가\udcff.mp4", 4), "1.0 2.0 3.5 4.0")
    entry = Entry("a/가\udcff.mp4", 100, 7, Status.OK, "", (face, other))
    assert Entry.from_json(json.loads(json.dumps(entry.to_json()))) == entry


def test_crops_stay_in_their_folder() -> None:
    assert crop_path("../../a/../b.mp4", 3) == "crops/a/b.mp4/000003.png"
    assert crop_path("/etc/passwd", 3) == "crops/etc/passwd/000003.png"


def test_what_holds_is_taken_up(tmp_path: Path) -> None:
    changed = line("b.mp4", size=101)
    assert resumed(tmp_path, HEADER, line("a.mp4"), changed, line("c.mp4", **NO_FACE)) == (
        {"a.mp4", "c.mp4"},
        0,
    )


def test_there_need_be_none(tmp_path: Path) -> None:
    assert resume(tmp_path / JOURNAL, HEADER, FILES) == ({}, 0)
    assert json.loads((tmp_path / JOURNAL).read_text()) == HEADER


def test_the_last_word_on_a_file_holds(tmp_path: Path) -> None:
    stale = line("a.mp4", mtime_ns=6)
    gone = line("b.mp4", faces=[[4, 0.1, [0, 0, 20, 20], "crops/b.mp4/000004.png"]])
    assert resumed(tmp_path, HEADER, line("a.mp4"), stale, gone, line("b.mp4"), line("x.mp4")) == (
        {"b.mp4"},
        0,
    )


def test_a_line_that_was_being_written_is_not_worth_a_word(tmp_path: Path) -> None:
    assert resumed(tmp_path, HEADER, line("a.mp4"), b'{"name":"b.') == ({"a.mp4"}, 0)


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"name":"a.\n',
        b"\x00\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b"[1, 2]\n",
        {},
        line("a.mp4", size="100"),
        line("a.mp4", name=3),
        line("a.mp4", status="fine"),
        line("a.mp4", status="crashed"),
        line("a.mp4", error=None),
        line("a.mp4", faces=None),
        line("a.mp4", faces=[]),
        line("a.mp4", faces=[FACE, FACE]),
        line("a.mp4", faces=[[3, 0.1, [0, 0, 20], FACE[3]]]),
        line("a.mp4", faces=[[3, float("nan"), *FACE[2:]]]),
        line("a.mp4", faces=[[3, -1.0, *FACE[2:]]]),
        line("a.mp4", faces=[[-3, 0.1, FACE[2], "crops/a.mp4/-00003.png"]]),
        line("a.mp4", faces=[[*FACE[:3], "../../etc/passwd"]]),
        line("a.mp4", faces=[[*FACE[:3], "/etc/passwd"]]),
        line("a.mp4", faces=[[*FACE[:3], "crops/b.mp4/000003.png"]]),
        line("a.mp4", faces=[[4, 0.2, FACE[2], "crops/a.mp4/000004.png"]]),  # not there
        line("a.mp4", faces=[[*FACE, [1.0, 2.0]]]),
        line("a.mp4", faces=[[*FACE, "1.0 2.0 3.0"]]),
        line("a.mp4", faces=[[*FACE, "1.0 inf"]]),
        line("a.mp4", faces=[[*FACE, "1.0 2.0", 3]]),
        line("a.mp4", more=1),
        {key: value for key, value in line("a.mp4").items() if key != "mtime_ns"},
    ],
)
def test_damage_costs_its_line_alone(tmp_path: Path, damaged: object) -> None:
    assert resumed(tmp_path, HEADER, damaged, line("b.mp4")) == ({"b.mp4"}, 1)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (b"\x00\xff\n", "line 1: damaged"),
        (b'{"recipe": \n', "line 1: damaged"),
        (line("a.mp4"), "line 1: damaged"),
        (HEADER | {"frames": 40}, r"in another way \(another frames\)"),
        (HEADER | {"version": 2}, r"in another way \(another version\)"),
    ],
)
def test_crops_that_were_cut_in_another_way_are_refused(
    tmp_path: Path, first: object, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as error:
        resumed(tmp_path, first, line("b.mp4"))
    assert error.value.hint == "use another folder, or remove this one"


def test_a_journal_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).mkdir()
    with pytest.raises(UsageError, match=f"{JOURNAL}: Is a directory"):
        resume(tmp_path / JOURNAL, HEADER, FILES)
