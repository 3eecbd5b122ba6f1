"""What reaches the terminal cannot move its cursor, columns line up, and a stream that fails ends
nothing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfsubmit.console import (
    duration,
    first_few,
    guard_standard_streams,
    output_error,
    paragraph,
    printable,
    printable_text,
    progress_bar,
    stderr,
    table,
)


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
        "-------------------------",
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


LONG = ("weighted:by=detection,k=5,and=so,on=for,ever=1", 0.812, "not distinguishable on 60 files")


@pytest.mark.parametrize("columns", [20, 40, 60])
def test_a_table_is_wrapped_to_the_terminals_width_and_nothing_is_cut(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = table(("rule", "macro F1", "verdict"), [LONG])
    assert max(map(len, text.split("\n"))) <= columns
    assert "…" not in text
    assert sorted("".join(text.replace("-", "").split())) == sorted(
        "".join(f"rulemacroF1verdict{LONG[0]}{LONG[1]}{LONG[2]}".split())
    )


def test_a_table_is_not_wrapped_where_there_is_no_terminal_or_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert table((), [LONG]) == "  ".join(map(str, LONG))
    monkeypatch.setenv("COLUMNS", "40")
    assert table((), [LONG], wide=True) == "  ".join(map(str, LONG))


def test_columns_stand_below_each_other_in_korean_too() -> None:
    assert table((), [("한국", "a"), ("word", "b")]).split("\n") == ["한국  a", "word  b"]


def test_colours_are_for_terminals_that_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def coloured() -> bool:
        return "\x1b[" in table(("a",), [("better",)], styles={"better": "green"})

    monkeypatch.setenv("TERM", "xterm-256color")
    assert not coloured()
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert coloured()
    monkeypatch.setenv("TERM", "dumb")
    assert not coloured()


def test_a_paragraph_is_wrapped_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "An interval [0.1, 0.2] of one, two and three\n\x1bnext"
    assert paragraph(text) == text.replace("\x1b", "\\x1b")
    monkeypatch.setenv("COLUMNS", "24")
    assert paragraph(text) == ("An interval [0.1, 0.2]\nof one, two and three\n\\x1bnext")


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


def _no_reader() -> int:
    ours, theirs = os.pipe()
    os.close(ours)
    return theirs


def _unread() -> int:
    """A full pipe whose reader, the test, does not read."""
    _, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(theirs, bytes(1000)):
            pass
    os.set_blocking(theirs, True)
    return theirs


BROKEN: dict[str, Callable[[], int]] = {
    "no reader": _no_reader,
    "no room": lambda: os.open("/dev/full", os.O_WRONLY),
    "not for writing": lambda: os.open(os.devnull, os.O_RDONLY),
    "not read": _unread,
}


def broken(kind: str) -> TextIO:
    return os.fdopen(BROKEN[kind](), "w")


@pytest.mark.parametrize("kind", BROKEN)
def test_a_stderr_that_fails_ends_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = broken(kind)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "__stderr__", stream)
    monkeypatch.setattr("dfsubmit.console.streams.STDERR_SECONDS", 0.01)
    guard_standard_streams()
    assert sys.stderr is not stream
    for _ in range(3):
        assert print("warning: \udcff 가", file=sys.stderr) is None
    monkeypatch.setattr("dfsubmit.console.progress.PLAIN_SECONDS", 0.0)
    for terminal in (False, True):
        monkeypatch.setattr(
            "dfsubmit.console.progress._is_terminal", [bool, lambda: True][terminal]
        )
        with progress_bar(2, "files") as bar:
            bar.update()
            bar.refresh()
            bar.write("words")


def test_a_stderr_that_is_closed_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    print("nobody reads this", file=stderr())
    progress_bar(2, "files").close()


def test_another_stderr_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    guard_standard_streams()
    print("words", file=stderr())
    assert capsys.readouterr().err == "words\n"


def test_stderr_has_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    stream = os.fdopen(theirs, "w")
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "__stderr__", stream)
    monkeypatch.setattr("dfsubmit.console.streams.STDERR_SECONDS", 0.01)
    print("x" * 1_000_000, file=stderr())
    assert set(os.read(ours, 1_000_000)) == {ord("x")}  # as much as the pipe holds
    print("words", file=stderr())
    assert os.read(ours, 100).endswith(b"words\n")


def test_a_lost_output_is_an_error_unless_its_reader_had_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = f"{sys.executable} -m dfsubmit samples --help >/dev/full; "
    command += f"{sys.executable} -m dfsubmit plugins >/dev/full; echo $? >&2; "
    command += f"{sys.executable} -m dfsubmit plugins >&- 2>&- <&-; echo $? >&2; "
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.stderr == "error: stdout cannot be written: No space left on device\n1\n0\n"
    stream = broken("no reader")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "__stdout__", stream)
    assert output_error() is None
    guard_standard_streams()
    print("a result")
    assert isinstance(output_error(), BrokenPipeError)
