"""DF40 (Yan et al., NeurIPS 2024): frames of fakes by 40 methods, already cut to faces.

``METHOD/{ff,cdf}/frames/VIDEO/000.png`` (swapping, reenactment), ``METHOD/{ff,cdf}/…/VIDEO/*.png``
(synthesis; below cdf also ``Fake_from_Celeb-real``), and in the training part, ``DF40_train``,
``METHOD/frames/VIDEO/000.png`` and ``METHOD/VIDEO/*.png``. The methods made from other data bring
their real frames: ``METHOD/{fake,real}/…``. For the others these are FaceForensics++ and Celeb-DF
v2 as DeepfakeBench lays them out, in ``FaceForensics++/`` and ``Celeb-DF-v2/`` beside the methods
(``…/frames/VIDEO/000.png``). Source: the README and ``preprocessing/rearrange.py`` of
github.com/YZY-stack/DF40, and public scripts that list the unpacked archives.

Ties: a video has the name of the FaceForensics++ or Celeb-DF videos that it was made from, in the
name space of those data sets. Those of other data are tied by video. Official split: where both
parts are there (``DF40_train/`` and ``DF40/``), the first is "train" and the second "test".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dfsubmit.errors import UsageError
from dfsubmit.extraction.datasets.people import people_of
from dfsubmit.extraction.sources import Source, Wanted, identity_name, image_files
from dfsubmit.labels import FAKE, REAL

METHODS = frozenset(
    "fsgan faceswap simswap inswap blendface uniface mobileswap e4s facedancer deepfacelab "
    "fomm facevid2vid wav2lip mraa one_shot_free pirender tpsm lia danet sadtalker mcnet "
    "hyperreenact heygen vqgan stylegan2 stylegan3 styleganxl sd2.1 ddim rddm pixart dit sit "
    "midjourney whichfaceisreal whichisreal collabdiff e4e stargan starganv2 styleclip".split()
)
"""The folders' names, in small letters."""
_PARTS = {"df40_train": "train", "df40": "test"}
_REAL_SETS = {"faceforensics++": "youtube", "celeb-df-v2": "original"}
_REAL_FOLDERS = ("original_sequences", "celeb-real", "youtube-real")
# Folders between the method's and the video's.
_BETWEEN = re.compile(r"ff|cdf|frames|fake|real|inversions|(fake_from_)?(celeb|youtube)-real", re.I)
_INSIDE = ("ff", "cdf", "frames", "fake")


def is_df40(root: Path) -> bool:
    """Whether two methods' folders are in it or in its parts."""
    near = [*root.glob("*/"), *(path for part in _parts(root) for path in part.glob("*/"))]
    methods = {path.name.lower() for path in near if path.name.lower() in METHODS}
    shaped = any((path / name).is_dir() for path in near for name in _INSIDE)
    return shaped and len(methods) >= 2


def _parts(root: Path) -> list[Path]:
    return [path for path in sorted(root.glob("*/")) if path.name.lower() in _PARTS]


def df40(root: Path, wanted: Wanted) -> Iterator[Source]:
    """The frames; see `layouts.find_sources`.

    Raises:
        UsageError: there is nothing but fakes of methods whose real frames come apart.
    """
    both = len(_parts(root)) == 2
    real = False
    for path in image_files(root):
        inner = path.relative_to(root).parts
        part, *rest = inner if inner[0].lower() in _PARTS else ("", *inner)
        source = _source(path, rest, "/".join(inner), _PARTS.get(part.lower(), "") if both else "")
        if source is not None:
            real |= source.label == REAL
            yield source
    if not real and not wanted.methods:
        raise UsageError(
            f"{root}: no real frames: DF40's fakes come without them",
            "put DeepfakeBench's FaceForensics++/ or Celeb-DF-v2/ beside the methods' folders",
        )


def _source(path: Path, parts: list[str], name: str, split: str) -> Source | None:
    """A frame by the folders from its method's, or its real data set's, on."""
    top, folders = parts[0].lower(), [part.lower() for part in parts[1:-1]]
    if top in _REAL_SETS:
        if not folders or not any(folder in _REAL_FOLDERS for folder in folders):
            return None  # their own fakes are not DF40's
        label, method, own = REAL, _REAL_SETS[top], top
    elif top in METHODS:
        label = REAL if "real" in folders else FAKE
        method, own = "original" if label == REAL else parts[0], f"df40:{top}"
    else:
        return None
    video = next((part for part in parts[1:-1][::-1] if not _BETWEEN.fullmatch(part)), path.stem)
    # What a method brings itself is named by its own numbers.
    foreign = "fake" in folders or "real" in folders
    people = () if foreign and top in METHODS else people_of(video)
    if not people:
        people = (identity_name(own, video),)
    return Source(path, name, label, "df40", method, people, split=split)
