"""An empty figure, and a figure → PNG, with every name in a font that has its letters.

matplotlib is imported when a figure is drawn; its figures are used directly, so that neither a
display nor a global backend is involved.
"""

from __future__ import annotations

import io
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from dfsubmit.console import printable, warn
from dfsubmit.errors import NotInstalled

# How the files of fonts with Hangul begin, the best first; each has Latin letters too, and Noto's
# and Source's have kana and Chinese characters.
_FONTS = (
    "notosanscjk",
    "notosanskr",
    "sourcehansans",
    "nanumgothic",
    "nanumbarungothic",
    "nanum",
    "malgun",
    "applesdgothicneo",
    "applegothic",
)


def plain(text: str) -> str:
    """Text that matplotlib shows as it is: no control characters, and no "$" as mathematics."""
    return printable(text).replace("$", r"\$")


def shortened(text: str, longest: int) -> str:
    """A name that fits: the middle of a longer one is left out."""
    if len(text) <= longest:
        return text
    kept = longest - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def new_figure(command: str, width: float, height: float) -> Any:
    """An empty matplotlib figure, its size in inches.

    Raises:
        NotInstalled: matplotlib is missing; `command` names who needs it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NotInstalled.extra(f"dfsubmit {command} --plot", "eval", "matplotlib") from error
    return Figure(figsize=(width, height), layout="constrained")


def png(figure: Any) -> bytes:
    """The figure as the bytes of a PNG file.

    Letters that matplotlib's own font lacks are taken from an installed one, see `korean_font`;
    where none has them, boxes stand for them and one warning says so.
    """
    from matplotlib.text import Text

    data, missing = _save(figure)
    family = korean_font() if missing else None
    if family is not None:
        for text in figure.findobj(Text):
            text.set_fontfamily([*text.get_fontfamily(), family])
        data, missing = _save(figure)
    if missing:
        _say_what_is_missing()
    return data


@cache
def korean_font() -> str | None:
    """The family of an installed font with Hangul: Noto Sans CJK or KR, Source Han Sans, Nanum,
    Malgun Gothic or Apple's; None where there is none."""
    from matplotlib import font_manager

    # The system is asked: matplotlib's own list may be older than the font's installation.
    found: list[tuple[int, bool, int, str]] = []
    for path in font_manager.findSystemFonts():
        name = Path(path).name.lower()
        place = next((i for i, begin in enumerate(_FONTS) if name.startswith(begin)), None)
        if place is not None:  # of a family the regular face, whose name says so or is short
            found.append((place, "regular" not in name, len(name), path))
    for *_, path in sorted(found):
        try:
            font_manager.fontManager.addfont(path)
            return str(font_manager.get_font(path).family_name)
        except (OSError, RuntimeError):  # a damaged file, or a format that FreeType lacks
            continue
    return None


def _save(figure: Any) -> tuple[bytes, bool]:
    """The PNG, and whether letters are missing."""
    stream = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(stream, format="png", dpi=110)
    missing = False
    for entry in caught:
        if "missing from font" in str(entry.message):
            missing = True
        else:
            warnings.warn_explicit(entry.message, entry.category, entry.filename, entry.lineno)
    return stream.getvalue(), missing


@cache
def _say_what_is_missing() -> None:
    warn(
        "some names in the plot need letters that no known font here has, and show as boxes; "
        "install Noto Sans CJK or Nanum Gothic"
    )
