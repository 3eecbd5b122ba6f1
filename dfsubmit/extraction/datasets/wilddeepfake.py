"""WildDeepfake (Zi et al., ACM Multimedia 2020): face sequences from videos of the internet.

``deepfake_in_the_wild/{real,fake}_{train,test}/NUMBER.tar.gz`` (the README of
github.com/OpenTAI/wild-deepfake writes "real train"; the copy on the Hugging Face hub,
xingjunm/WildDeepfake, "real_train"). Each archive holds folders of face images, one for each
sequence, named by their frame. 7,314 sequences from 707 videos. Scripts of its users unpack each
archive in place, or into a folder of its number.

The images are face crops. Ties: the sequences of one archive, for nothing says whom they show; of
archives unpacked in place, the topmost folder. Official split: the folders' "train" and "test".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dfsubmit.errors import UsageError
from dfsubmit.extraction.sources import Source, Wanted, base_of, identity_name, image_files
from dfsubmit.labels import FAKE, LABELS

_PART = re.compile(r"(real|fake)[ _-](train|test)", re.IGNORECASE)


def _parts(root: Path) -> list[tuple[Path, str, str]]:
    """(folder, class, split)."""
    found = [(path, _PART.fullmatch(path.name)) for path in sorted(root.glob("*/"))]
    return [(path, match[1].lower(), match[2].lower()) for path, match in found if match]


def _fits(root: Path) -> bool:
    return {kind for _, kind, _ in _parts(root)} == set(LABELS)


def is_wilddeepfake(root: Path) -> bool:
    """Whether a real and a fake part are in it, or in the one folder in it."""
    return base_of(root, _fits) is not None


def wilddeepfake(root: Path, wanted: Wanted) -> Iterator[Source]:
    """The face images; see `layouts.find_sources`.

    Raises:
        UsageError: a part holds archives alone.
    """
    for folder, kind, split in _parts(base_of(root, _fits) or root):
        empty = True
        for path in image_files(folder):
            empty = False
            inner = path.relative_to(folder).parts
            group = inner[0] if len(inner) > 1 else path.stem
            yield Source(
                path,
                path.relative_to(root).as_posix(),
                LABELS[kind],
                "wilddeepfake",
                "fake" if LABELS[kind] == FAKE else "original",
                (identity_name("wilddeepfake", f"{kind}-{split}-{group}"),),
                split=split,
            )
        if empty and next(folder.glob("*.tar.gz"), None) is not None:
            raise UsageError(
                f"{folder}: its archives are not unpacked",
                'in that folder: for a in *.tar.gz; do d=${a%.tar.gz}; mkdir -p "$d"; '
                'tar -xzf "$a" -C "$d"; done',
            )
