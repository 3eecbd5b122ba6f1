"""Celeb-DF v1 and v2 (Li et al., CVPR 2020) and Celeb-DF++ (Li et al., 2025).

All have ``Celeb-real/``, ``YouTube-real/``, ``Celeb-synthesis/`` and ``List_of_testing_videos.txt``
(lines of ``LABEL PATH``). Celeb-DF++, called Celeb-DF-v3 in its scripts, has a folder for each
method: ``Celeb-synthesis/{FaceSwap,FaceReenact,TalkingFace}/METHOD/``. Layout, methods and list are
those of the README of github.com/OUC-VAS/Celeb-DF-PP and of its ``preprocessing/rearrange.py``;
there the videos may lie in a folder ``videos`` below each.

Ties: a synthesis shows both of its ids (``id0_id16_0001``); a talking face (``id0_0000_test_…``)
its one. Official split: the listed videos are "test"; the rest is given no split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dfsubmit.extraction.sources import Source, Wanted, media_files
from dfsubmit.labels import FAKE, REAL

_FOLDERS = {"celeb-real": REAL, "youtube-real": REAL, "celeb-synthesis": FAKE}
_FAMILIES = ("FaceSwap", "FaceReenact", "TalkingFace")


def version_of(root: Path) -> str | None:
    """The release that a folder holds: "v1", "v2" or "pp"; None where it holds none."""
    synthesis = root / "Celeb-synthesis"
    if not synthesis.is_dir():
        return None
    if any((synthesis / family).is_dir() for family in _FAMILIES):
        return "pp"
    # The first two releases look alike, and only the folder's own name can tell them apart.
    return "v1" if re.search(r"v1|-1$", root.resolve().name.lower()) else "v2"


def celeb_df(root: Path, version: str, wanted: Wanted) -> Iterator[Source]:
    """The videos of a release; see `layouts.find_sources`."""
    listed = root / "List_of_testing_videos.txt"
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    tests = {line.split(maxsplit=1)[1].strip().casefold() for line in lines if " " in line.strip()}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        label = _FOLDERS.get(folder.name.casefold())
        if label is None:
            continue
        for path in media_files(folder):
            inner = [part for part in path.relative_to(root).parts if part != "videos"]
            method = inner[2] if version == "pp" and len(inner) == 4 else folder.name
            people = re.findall(r"id\d+", path.stem) or [f"youtube-{path.stem}"]
            yield Source(
                path,
                path.relative_to(root).as_posix(),
                label,
                f"celeb-df-{version}",
                method,
                # One name space for all releases: the later contain videos of the earlier.
                tuple(f"celeb-df:{person}" for person in dict.fromkeys(people)),
                split="test" if "/".join(inner).casefold() in tests else "",
            )
