"""What reaches the terminal cannot move its cursor, and columns line up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfsubmit.console import duration, first_few, printable, printable_text, table


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("clip 1.mp4", "clip 1.mp4"),
        ("한국어 😀.mp4", "한국어 😀.mp4"),
        ("a\nb\r.mp4", r"a\nb\r.mp4"),
        ("\x1b[2J.mp4", r"\x1b[2J.mp4"),
        ("\udcff.mp4", r"\udcff.mp4"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\x9b31m", r"\x9b31m"),
    ],
)
def test_what_is_not_printable_is_escaped(name: str, shown: str) -> None:
    assert printable(name) == shown


@given(st.text(st.characters()))
def test_anything_becomes_one_printable_line(name: str) -> None:
    assert printable(name).isprintable()


def test_a_text_keeps_its_lines() -> None:
    assert printable_text("one\n\x1b[2Jtwo\rthree\n") == "one\n\\x1b[2Jtwo\\rthree\n"


def test_of_many_names_the_first_are_shown_and_the_others_counted() -> None:
    names = ["a", "\x1b", "c", "d", "e", "f", "g"]
    assert first_few(names) == r"a, \x1b, c, d, e, and 2 more"
    assert first_few(iter(names[:5])) == r"a, \x1b, c, d, e"
    assert first_few(names, 1, "\n", "… {} others") == "a\n… 6 others"
    assert first_few([]) == ""


def test_words_stand_left_and_figures_right() -> None:
    header = ("status", "files", "share")
    rows = [("ok", 12, "0.8"), ("no_face", 3, "undefined"), ("9", 0, "")]
    assert table(header, rows).split("\n") == [
        "status   files      share",
        "-------  -----  ---------",
        "ok          12        0.8",
        "no_face      3  undefined",
        "9            0",
    ]


def test_a_table_may_be_indented_and_without_a_rule() -> None:
    assert table(("a", "b"), [("x", 10)], indent="  ", rule=False) == "  a   b\n  x  10"


def test_a_table_needs_no_header_and_no_rows() -> None:
    assert table((), [("ok", "files are there"), ("FAILED", "time")]).split("\n") == [
        "ok      files are there",
        "FAILED  time",
    ]
    assert table((), []) == ""


def test_a_tables_cells_cannot_move_the_cursor() -> None:
    assert table((), [("a\x1b[2J\n", 1)]) == r"a\x1b[2J\n  1"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (8.44, "8.4 s"),
        (60, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3599.7, "1 h 0 min"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations_for_people(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
