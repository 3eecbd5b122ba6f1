"""Identities from the file names in a flat ``real/`` and ``fake/`` folder.

Only the names show which files are frames of one video. A wrong tie restricts the split a little; a
missing tie lets frames of one video be on both sides of the split.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from dfsubmit.media.listing import IMAGE_SUFFIXES

_NUMBER = re.compile(r"(.+?)[ _.-]+(frame|frm|face|crop)?[ _.-]*\d+", re.IGNORECASE)
_PERSON = re.compile(r"(?<![A-Za-z0-9])id\d+")
_PAIR = re.compile(r"(\d{3})_(\d{3})")


def shared_names(real: Sequence[Path], fake: Sequence[Path]) -> tuple[list[tuple[str, ...]], ...]:
    """The identities shown in each file, from the paths only.

    In this order: the first folder (``video7/frame001.jpg`` shows video7); an image's name
    without its number of frame (``abc_frame_12.png`` shows abc). In either, ``id0_id16_0001``
    shows Celeb-DF's id0 and id16, and a fake ``000_003`` or ``000_003_12`` shows FaceForensics++'s
    000 and 003. Where this leaves a class a single name without a digit for all of its files, such
    as ``img`` of ``img_0001.png``, it names nobody, and each file is taken for another person's.

    Args:
        real, fake: relative to the folder of the class.

    Returns:
        (of the real files, of the fake ones), for each file at least one name.
    """
    # Where real files are called so, the second number counts frames.
    pairs = not any(_PAIR.fullmatch(path.stem) for path in real)
    return _of_class(real, None), _of_class(fake, pairs)


def _of_class(paths: Sequence[Path], pairs: bool | None) -> list[tuple[str, ...]]:
    """The names of one class. `pairs`: whether ``000_003`` is a pair; None where none is."""
    flat = [path for path in paths if len(path.parts) == 1]
    shown = {path: _people(_without_frame(path, pairs), pairs) for path in flat}
    names = {name for people in shown.values() for name in people}
    if len(names) == 1 and not re.search(r"\d", names.pop()):
        shown = {path: (path.stem,) for path in flat}
    return [shown.get(path) or _people(path.parts[0], pairs) for path in paths]


def _without_frame(path: Path, pairs: bool | None) -> str:
    name = path.stem
    pair = re.match(_PAIR.pattern + r"(?=[ _.-]|$)", name) if pairs is not None else None
    if pair and (pairs or pair.end() < len(name)):
        return pair.group()
    if path.suffix.lower() in IMAGE_SUFFIXES:
        # A word or the last place makes a number that of a frame. Others may be the video's own,
        # as 105 in df_image_105_23, and go only where a number is left.
        last = True
        while match := _NUMBER.fullmatch(name):
            if not (last or match[2] or re.search(r"\d", match[1])):
                break
            name, last = match[1], bool(last and match[2])
    return name


def _people(name: str, pairs: bool | None) -> tuple[str, ...]:
    if people := _PERSON.findall(name):
        return tuple(people)
    if pairs is not None and (pair := _PAIR.fullmatch(name)):
        return pair.groups()
    return (name,)
