"""Identities from the video names of FaceForensics++ and Celeb-DF.

DF40 and DeepfakeBench contain videos made from these two data sets, with the same names. A common
name space keeps a person on one side of the split when several data sets are used together.
"""

from __future__ import annotations

import re

from dfsubmit.extraction.faceforensics import ACTOR

_CELEBRITY = re.compile(r"(?<![A-Za-z0-9])id\d+")
_SEQUENCES = re.compile(r"(\d{3})(?:_(\d{3}))?")
_ACTORS = re.compile(r"(\d{2})(?:_(\d{2}))?__")
_YOUTUBE = re.compile(r"\d{5}")


def people_of(video: str) -> tuple[str, ...]:
    """The identities that a video's name stands for; empty where it is none of these names.

    ``000_003`` shows FaceForensics++'s sequences 000 and 003, ``01_02__walking__ABC`` its actors 01
    and 02, ``id0_id16_0001`` Celeb-DF's id0 and id16, and ``00170`` a YouTube video of Celeb-DF.

    >>> people_of("id0_id16_0001")
    ('celeb-df:id0', 'celeb-df:id16')
    """
    if actors := _ACTORS.match(video):
        return tuple(ACTOR + name for name in actors.groups() if name)
    if celebrities := _CELEBRITY.findall(video):
        return tuple(f"celeb-df:{name}" for name in dict.fromkeys(celebrities))
    if sequences := _SEQUENCES.fullmatch(video):
        return tuple(f"faceforensics:{name}" for name in sequences.groups() if name)
    return (f"celeb-df:youtube-{video}",) if _YOUTUBE.fullmatch(video) else ()
