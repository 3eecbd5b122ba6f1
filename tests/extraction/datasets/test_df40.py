"""DF40: methods by folder, and people in the name spaces of the data sets it was made from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trees import by_name, groups_of, touch

from dfsubmit.errors import UsageError
from dfsubmit.extraction.layouts import find_sources, layout_of
from dfsubmit.extraction.remarks import remarks
from dfsubmit.extraction.sources import Wanted
from dfsubmit.labels import FAKE, REAL

FF_REAL = "FaceForensics++/original_sequences/youtube/c23/frames/000/0.png"
CELEB_REAL = "Celeb-DF-v2/Celeb-real/frames/id0_0001/0.png"


def test_each_method_in_each_of_its_forms(tmp_path: Path) -> None:
    expected = {
        "simswap/ff/frames/000_003/000.png": ("faceforensics:000", "faceforensics:003"),
        "simswap/cdf/frames/id0_id1_0002/000.png": ("celeb-df:id0", "celeb-df:id1"),
        "StyleGAN2/ff/000/seed0188.png": ("faceforensics:000",),
        "StyleGAN2/cdf/Fake_from_Celeb-real/id0_0001/1.png": ("celeb-df:id0",),
        "StyleGAN2/cdf/Fake_from_YouTube-real/00170/1.png": ("celeb-df:youtube-00170",),
        "e4e/ff/inversions/000.png": ("faceforensics:000",),
        "heygen/fake/frames/clip7/000.png": ("df40:heygen:clip7",),
        "stargan/fake/fake/00012.png": ("df40:stargan:00012",),
    }
    real = {
        FF_REAL: ("faceforensics:000",),
        CELEB_REAL: ("celeb-df:id0",),
        "heygen/real/clip7/000.png": ("df40:heygen:clip7",),
        "stargan/real/real/00012.png": ("df40:stargan:00012",),
    }
    own_fake = "FaceForensics++/manipulated_sequences/Deepfakes/c23/frames/000_003/0.png"
    touch(tmp_path, *expected, *real, own_fake, "simswap/ff/landmarks/000_003/000.npy")
    assert layout_of(tmp_path) == "df40"
    found = by_name(find_sources(tmp_path))
    assert {name: source.identities for name, source in found.items()} == expected | real
    assert {name for name, source in found.items() if source.label == REAL} == set(real)
    assert found["StyleGAN2/ff/000/seed0188.png"].method == "StyleGAN2"
    groups = groups_of(list(found.values()))
    assert groups[FF_REAL] == groups["simswap/ff/frames/000_003/000.png"]
    chosen = find_sources(tmp_path, wanted=Wanted(methods=("e4e",)))
    assert {source.method for source in chosen if source.label == FAKE} == {"e4e"}


def test_sequences_of_one_youtube_video_are_joined(tmp_path: Path) -> None:
    names = ("simswap/ff/frames/000_003/0.png", "fsgan/ff/frames/071_054/0.png", FF_REAL)
    touch(tmp_path, *names)
    sources = find_sources(tmp_path)
    assert "--video-ids FILE joins them" in " ".join(remarks(sources, "df40"))
    assert len(set(groups_of(sources).values())) == 2
    listed = {"000": "u 0", "003": "v 0", "054": "w 0", "071": "v 1"}
    (tmp_path / "FaceForensics++/conversion_dict.json").write_text(json.dumps(listed))
    sources = find_sources(tmp_path)
    assert len(set(groups_of(sources).values())) == 1
    assert not [line for line in remarks(sources, "df40") if "--video-ids" in line]


def test_the_two_parts_are_its_split(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "DF40_train/simswap/frames/001_870/000.png",
        "DF40_train/StyleGAN2/001/seed0188.png",
        "DF40/simswap/ff/frames/000_003/000.png",
        FF_REAL,
    )
    found = by_name(find_sources(tmp_path))
    assert {name: source.split for name, source in found.items()} == {
        "DF40_train/simswap/frames/001_870/000.png": "train",
        "DF40_train/StyleGAN2/001/seed0188.png": "train",
        "DF40/simswap/ff/frames/000_003/000.png": "test",
        FF_REAL: "",
    }
    # One part alone may hold anything.
    (tmp_path / "DF40_train").rename(tmp_path / "other")
    assert {source.split for source in find_sources(tmp_path, "df40")} == {""}


def test_fakes_alone_are_refused_with_where_the_real_frames_go(tmp_path: Path) -> None:
    touch(tmp_path, "simswap/ff/frames/000_003/0.png", "fsgan/ff/frames/000_003/0.png")
    with pytest.raises(UsageError, match="no real frames") as error:
        find_sources(tmp_path)
    assert "Celeb-DF-v2/" in error.value.hint
