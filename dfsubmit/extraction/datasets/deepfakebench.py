"""DeepfakeBench's preprocessed data (Yan et al., NeurIPS 2023): frames and ``dataset_json/*.json``.

One layout for FaceForensics++, FaceShifter, DeepFakeDetection, Celeb-DF v1, v2 and ++, DFDCP, DFDC,
DeeperForensics-1.0, UADFV and DF40. The lists, as ``preprocessing/rearrange.py`` of
github.com/SCLBD/DeepfakeBench writes them, are ``{DATA SET: {CLASS: {SPLIT: {VIDEO: {"label",
"frames": [paths]}}}}}``; between split and video FaceForensics++ has its compression and Celeb-DF++
its method. A class whose name ends in "real" is real. The paths are those of the machine where the
list was written: their ends are looked for in ``rgb/``, ``datasets/rgb/``, ``datasets/`` and the
folder itself. The lists lie in ``dataset_json/`` or ``preprocessing/dataset_json/``.

Frames are face crops of 256 px, aligned, with a margin of 30 %. Ties: by the names that Celeb-DF
and FaceForensics++ give, DeeperForensics' actors, DFDC's ``metadata.json`` beside the frames; else
by the name up to its first ``_``. Official split: "test" where a list has the video there, else
"train", else "val" (the lists repeat their test videos as val, and Celeb-DF's in train); none where
a list has all videos of a class in both.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from dfsubmit.console import warn
from dfsubmit.errors import UsageError, did_you_mean
from dfsubmit.extraction.datasets.people import people_of
from dfsubmit.extraction.faceforensics import COMPRESSIONS
from dfsubmit.extraction.sources import SPLITS, Source, Wanted, identity_name, read_json
from dfsubmit.labels import FAKE, REAL

_LISTS = ("dataset_json", "preprocessing/dataset_json")
_PLACES = ("rgb", "datasets/rgb", "datasets", ".")
_REAL = re.compile(r"(?:^|[^a-z])real$", re.IGNORECASE)
_DONORS = re.compile(r"(?:^|_)([MW]\d{3})(?=_|$)")
# By class, as the data sets' own layouts call them: `--methods Deepfakes` means the same.
_METHODS = {
    "FF-real": "youtube",
    "DFD_real": "actors",
    "FF-DF": "Deepfakes",
    "FF-F2F": "Face2Face",
    "FF-FS": "FaceSwap",
    "FF-NT": "NeuralTextures",
    "FF-FH": "FaceShifter",
    "DFD_fake": "DeepFakeDetection",
}
# What names its videos by numbers that are not FaceForensics++'s sequences.
_OWN_NUMBERS = ("dfdc", "dfdcp", "uadfv")


@dataclass
class _Video:
    """A video of a list: the keys that lead to it, its frames, the splits that name it."""

    keys: tuple[str, ...]
    name: str
    frames: list[str]
    splits: set[str] = field(default_factory=set)


def _lists(root: Path) -> list[Path]:
    return [path for name in _LISTS for path in sorted((root / name).glob("*.json"))]


def is_deepfakebench(root: Path) -> bool:
    """Whether the folder has DeepfakeBench's lists."""
    return bool(_lists(root))


def deepfakebench(root: Path, wanted: Wanted) -> Iterator[Source]:
    """The frames of all lists, each once; see `layouts.find_sources`.

    Raises:
        UsageError: a list has another form, names no frame that is there, or one frame as real
            and as fake; or the compression must be chosen.
    """
    videos = [video for path in _lists(root) for video in _videos(path)]
    compressions = {key for video in videos for key in video.keys if key in COMPRESSIONS}
    if wanted.compression is None and len(compressions) > 1:
        hint = f"--compression {' or '.join(sorted(compressions))}"
        raise UsageError(f"{root}: several compressions", hint)
    if wanted.compression not in (None, *compressions):
        hint = did_you_mean(wanted.compression or "", compressions)
        raise UsageError(f"{root}: no compression {wanted.compression!r}", hint)
    finder = _Finder(root)
    labels: dict[Path, int] = {}
    missing: list[str] = []
    for video in videos:
        compression = next((key for key in video.keys if key in COMPRESSIONS), "")
        if wanted.compression and compression not in ("", wanted.compression):
            continue
        for frame in video.frames:
            path = finder.find(frame)
            if path is None:
                missing.append(frame)
                continue
            source = _source(root, path, video, compression)
            if path not in labels:
                labels[path] = source.label
                yield source
            elif labels[path] != source.label:
                raise UsageError(f"{path}: the lists have it both as real and as fake")
    if missing and not labels:
        raise UsageError(
            f"{root}: none of the frames in its lists is there, such as {missing[0]}",
            f"put the frames below {root / 'rgb'}",
        )
    if missing:
        warn(f"{root}: {len(missing):,} frames of the lists are not there, such as {missing[0]}")


def _source(root: Path, path: Path, video: _Video, compression: str) -> Source:
    dataset, kind = video.keys[0], video.keys[1]
    own = "faceforensics" if kind.startswith("FF-") else dataset.lower()
    label = REAL if _REAL.search(kind) else FAKE
    inner = [key for key in video.keys[2:-1] if key not in (*SPLITS, compression)]
    usual = "original" if label == REAL else re.sub(r"_fake$", "", kind, flags=re.IGNORECASE)
    (split,) = video.splits or {""}
    return Source(
        path,
        path.relative_to(root).as_posix(),
        label,
        own,
        inner[0] if inner else _METHODS.get(kind, usual),
        _people(own, path, video.name),
        compression,
        split,
    )


def _people(dataset: str, path: Path, video: str) -> tuple[str, ...]:
    if dataset == "dfdc":
        listing = path.parents[1].parent / "metadata.json"
        facts = _metadata(listing).get(f"{video}.mp4", {})
        return (f"dfdc:{Path(facts.get('original') or video).stem}",)
    if dataset.startswith("deeperforensics"):
        people = [identity_name(dataset, name) for name in _DONORS.findall(video)]
        target = re.match(r"\d{3}(?=_|$)", video)
        if people or target:
            return (*people_of(target.group() if target else ""), *people)
    elif dataset not in _OWN_NUMBERS and (known := people_of(video)):
        return known
    return (identity_name(dataset, video.split("_")[0]),)


@cache
def _metadata(listing: Path) -> dict[str, Any]:
    return dict(read_json(listing)) if listing.is_file() else {}


def _videos(path: Path) -> list[_Video]:
    """The videos of a list, each once, with the split that holds of them.

    Raises:
        UsageError: it has another form.
    """
    found: dict[tuple[str, ...], _Video] = {}

    def walk(node: Any, keys: tuple[str, ...]) -> None:
        if isinstance(node.get("frames"), list):
            # DFDC's list lacks the video's name in a place: the frames' folder has it.
            frames = [str(frame).replace("\\", "/") for frame in node["frames"]]
            if not frames:
                return
            name = PurePosixPath(frames[0]).parent.name if keys[-1] in SPLITS else keys[-1]
            place = tuple(key for key in keys if key not in (*SPLITS, name))
            video = found.setdefault((*place, name), _Video((*place, name), name, []))
            video.frames = list(dict.fromkeys([*video.frames, *frames]))
            video.splits |= {key for key in keys if key in SPLITS}
            return
        for key, inner in node.items():
            walk(inner, (*keys, str(key)))

    try:
        walk(read_json(path), ())
        classes: dict[tuple[str, ...], list[_Video]] = defaultdict(list)
        for video in found.values():
            classes[video.keys[:2]].append(video)
            assert len(video.keys) >= 3
    except (AssertionError, AttributeError, IndexError, TypeError) as error:
        raise UsageError(f"{path}: not a list of DeepfakeBench: {error!r}") from error
    for videos in classes.values():
        undecided = all({"train", "test"} <= video.splits for video in videos)
        for video in videos:
            order = (split for split in ("test", "train", "val") if split in video.splits)
            video.splits = set() if undecided else {next(order, "")}
    return list(found.values())


class _Finder:
    """Finds on this machine what a list names by a path of another."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._last = (root, 0)
        """The place and the number of leading parts to drop that found the last frame."""

    def find(self, frame: str) -> Path | None:
        parts = [part for part in PurePosixPath(frame).parts if part not in ("/", "..")]
        place, dropped = self._last
        path = place.joinpath(*parts[dropped:])
        if dropped < len(parts) and path.is_file():
            return path
        for dropped in range(len(parts) - 1):
            for place in (self.root / name for name in _PLACES):
                path = place.joinpath(*parts[dropped:])
                if path.is_file():
                    self._last = place, dropped
                    return path
        return None
