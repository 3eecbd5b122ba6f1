"""Progress: lines without a terminal, a bar that ticks by itself in one, one at a time."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from dfsubmit.console import activity, progress_bar, say
from dfsubmit.console import progress as module
from dfsubmit.hooks import InHand
from dfsubmit.records import MediaFile
from dfsubmit.scoring.showing import RunView

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time that stands still unless a test moves it; nothing ticks by itself."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(module, "TICK_SECONDS", 1000.0)
    return clock


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_is_terminal", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")  # for rich, which looks at the captured stream
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


def shown(capsys: Capture) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)


def test_without_a_terminal_lines_come_ever_more_seldom(
    clock: SimpleNamespace, capsys: Capture
) -> None:
    with progress_bar(40, "files", describe=lambda: (0.25, "in hand: a\x1b.mp4")) as bar:
        bar.update(8)
        for _ in range(100):
            clock.now += 5
            bar.refresh()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == r"8/40 files, about 30 s left; in hand: a\x1b.mp4"
    assert lines[1] == r"8/40 files, about 1 min 15 s left; in hand: a\x1b.mp4"
    assert 5 < len(lines) < 20


def test_what_cannot_be_counted_is_said_at_once(clock: SimpleNamespace, capsys: Capture) -> None:
    with activity("loading the model"):
        assert capsys.readouterr().err == "loading the model …\n"


@pytest.mark.usefixtures("terminal")
def test_in_a_terminal_it_is_timed_and_goes_away(clock: SimpleNamespace, capsys: Capture) -> None:
    with activity("loading the model") as loading:
        clock.now += 7
        loading.refresh()
        say("a word\x1b")
        text = shown(capsys)
    assert "loading the model, 7 s" in text
    assert "a word\\x1b\n" in text
    assert "loading" not in shown(capsys).splitlines()[-1]


@pytest.mark.usefixtures("terminal")
def test_a_bar_has_a_share_an_estimate_and_a_second_line(
    clock: SimpleNamespace, capsys: Capture
) -> None:
    with progress_bar(40, "files", describe=lambda: (0.5, "in hand: a.mp4")) as bar:
        bar.update(3)
        clock.now += 100
        bar.refresh()
    text = shown(capsys)
    assert "3/40 files, about 1 min 40 s left" in text
    assert "in hand: a.mp4" in text
    assert max(map(len, text.splitlines())) <= 80


def test_it_ticks_while_the_caller_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_SECONDS", 0.001)
    monkeypatch.setattr(module, "PLAIN_SECONDS", 0.0)
    ticked = threading.Event()

    def describe() -> tuple[None, str]:
        ticked.set()
        return None, ""

    with progress_bar(2, "files", describe=describe):
        assert ticked.wait(60)


def test_the_next_takes_the_place_of_the_one_before(capsys: Capture) -> None:
    with activity("one") as first:
        second = activity("two")
        assert [first.running, second.running] == [False, True]
    assert [first.running, second.running] == [False, False]
    assert activity("three", shown=False).running is False
    assert capsys.readouterr().err == "one …\ntwo …\n"


def test_a_run_is_counted_by_frames_and_names_the_files_in_hand() -> None:
    files = [MediaFile(Path(name), name) for name in ("a.mp4", "b.mp4", "c.jpg")]
    now = InHand()
    view = RunView(files, 40, lambda: now)
    assert view() == (0.0, "")
    now = InHand(50, {"a.mp4": 10, "b.mp4": 400})
    share, note = view()
    assert share == 50 / 81
    assert re.fullmatch(r"[\d.]+ frames/s, in hand: a\.mp4, b\.mp4", note)
    view.done(files[0], failed=True)
    now = InHand(words="3 machines")
    assert view() == (40 / 81, "3 machines, 1 failed")
