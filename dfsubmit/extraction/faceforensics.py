"""FaceForensics++ (Rössler et al., ICCV 2019): its videos and their identities."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dfsubmit.errors import UsageError
from dfsubmit.extraction.sources import SPLITS, Source, Wanted, media_files, read_json
from dfsubmit.labels import FAKE, REAL

COMPRESSIONS = ("raw", "c0", "c23", "c40")
VIDEO_IDS = "conversion_dict.json"
"""The release's list of the YouTube video that each sequence was cut from."""
YOUTUBE = "faceforensics:youtube-"
"""What the identity of such a video begins with."""
ACTOR = "faceforensics:actor-"
NOT_JOINED = (
    "FaceForensics++: sequences that were cut from one YouTube video are not joined, since the "
    f"release's {VIDEO_IDS} is not there"
)


def is_faceforensics(root: Path) -> bool:
    """Whether the folder has the release's own layout."""
    return (root / "original_sequences").is_dir() or (root / "manipulated_sequences").is_dir()


def faceforensics(root: Path, wanted: Wanted) -> Iterator[Source]:
    """The videos of one compression; see `layouts.find_sources`.

    Raises:
        UsageError: the compression is not there or must be chosen, or a list cannot be read.
    """
    folders = sorted(root.glob("*_sequences/*/*/videos"))
    present = sorted({folder.parent.name for folder in folders} & set(COMPRESSIONS))
    compression = wanted.compression or (present[0] if len(present) == 1 else None)
    if compression not in present:
        asked = f"no compression {compression!r}" if compression else "several compressions"
        raise UsageError(f"{root}: {asked}", f"--compression {' or '.join(present) or 'NAME'}")
    official = _official_splits(root)
    for folder in folders:
        kind, method = folder.parts[-4], folder.parts[-3]
        # The actors are the originals of DeepFakeDetection and of no other method.
        unasked = wanted.methods and "DeepFakeDetection" not in wanted.methods
        if folder.parent.name != compression or (method == "actors" and unasked):
            continue
        actors = method in ("actors", "DeepFakeDetection")
        for path in media_files(folder):
            people = _people(path.stem, actors, fake=kind[0] == "m")
            splits = {official.get(person, "") for person in people} if not actors else {""}
            yield Source(
                path,
                path.relative_to(root).as_posix(),
                FAKE if kind == "manipulated_sequences" else REAL,
                "faceforensics",
                method,
                tuple((ACTOR if actors else "faceforensics:") + name for name in people),
                compression,
                splits.pop() if len(splits) == 1 else "",
            )


def not_joined(identities: Iterable[Sequence[str]]) -> bool:
    """Whether any of these files shows a sequence whose YouTube video is not known."""
    return any(
        names[0].startswith("faceforensics:")
        and not names[0].startswith(ACTOR)
        and not any(name.startswith(YOUTUBE) for name in names)
        for names in identities
    )


def _people(stem: str, actors: bool, fake: bool) -> tuple[str, ...]:
    """The identities of a video: ``000_003`` shows the scene of 000 with the face of 003; among the
    actors, ``01_02__exit_phone_room__YVGY8LOK`` is 01's scene with the face of 02."""
    people = stem.split("__")[0] if actors else stem
    found = people.split("_")
    return (found[0], found[1]) if fake and len(found) == 2 else (found[0],)


def _official_splits(root: Path) -> dict[str, str]:
    """The official split by sequence: ``train.json`` and so on hold lists of pairs of names."""
    official: dict[str, str] = {}
    for split in SPLITS:
        for path in (root / f"{split}.json", root / "splits" / f"{split}.json"):
            if path.is_file():
                pairs = read_json(path)
                official.update({str(name): split for pair in pairs for name in pair})
    return official


def join_sequences(sources: list[Source], root: Path, wanted: Wanted) -> list[Source]:
    """The sources of any data set, FaceForensics++'s sequences tied to their YouTube videos.

    ``{"937": "VIDEO 0", "938": "VIDEO 1", …}`` says which part of which video a sequence is. Where
    the list is nowhere, nothing is tied.

    Raises:
        UsageError: the list cannot be read.
    """
    places = (".", "dataset", "original_sequences", "FaceForensics++", "rgb/FaceForensics++")
    beside = [root / folder / VIDEO_IDS for folder in places]
    path = wanted.video_ids or next((path for path in beside if path.is_file()), None)
    if path is None or not not_joined(source.identities for source in sources):
        return sources
    listing = read_json(path)
    try:
        videos = {
            f"faceforensics:{name}": YOUTUBE + part.split()[0].replace(";", ",")
            for name, part in listing.items()
        }
    except (AttributeError, IndexError) as error:
        raise UsageError(
            f"{path}: not a list of YouTube videos by sequence",
            f'it looks like {VIDEO_IDS} of the release: {{"000": "VIDEO 0", …}}',
        ) from error
    return [
        dataclasses.replace(
            source,
            identities=(
                *source.identities,
                *(videos[name] for name in source.identities if name in videos),
            ),
        )
        for source in sources
    ]
