"""Figures as PNG: names in fonts that have their letters, one warning where there is none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from dfsubmit import drawing
from dfsubmit.drawing import korean_font, new_figure, plain, png, shortened

pytest.importorskip("matplotlib", reason="the eval extra brings it")


@pytest.fixture(autouse=True)
def _as_in_a_new_process() -> Iterator[None]:
    def forget() -> None:
        drawing.korean_font.cache_clear()
        drawing._say_what_is_missing.cache_clear()

    forget()
    yield
    forget()


def png_of(title: str) -> bytes:
    figure = new_figure("evaluate", 3, 2)
    axis = figure.subplots()
    axis.set_yticks([0, 1], [title, "b"])
    axis.set_title(title)
    return png(figure)


def test_missing_letters_are_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", list)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib has one for each letter
        for _ in range(2):
            assert png_of("얼굴 바꾸기").startswith(b"\x89PNG")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "install Noto Sans CJK or Nanum Gothic" in lines[0]


def test_a_korean_name_is_drawn_in_an_installed_font(capsys: pytest.CaptureFixture[str]) -> None:
    if korean_font() is None:
        pytest.skip("no Korean font is installed (Noto Sans CJK, Nanum Gothic, Malgun Gothic)")
    assert png_of("얼굴 바꾸기") != png_of("얼굴 합치기")
    assert capsys.readouterr().err == ""


def test_latin_names_look_for_no_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", None)
    assert png_of("faces").startswith(b"\x89PNG")


def test_damaged_fonts_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    broken = tmp_path_factory.mktemp("fonts") / "NanumGothic.ttf"
    broken.write_bytes(b"no font")
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: [str(broken)])
    assert korean_font() is None


def test_names_are_shown_as_they_are_and_short() -> None:
    assert plain("a$b\n") == r"a\$b\n"
    assert shortened("short", 5) == "short"
    assert shortened("0123456789", 5) == "01…89"
