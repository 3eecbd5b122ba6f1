"""FaceForensics++: its videos, its official split, and the sequences of one YouTube video."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfsubmit.errors import UsageError
from dfsubmit.extraction.faceforensics import not_joined
from dfsubmit.extraction.groups import identity_groups
from dfsubmit.extraction.layouts import find_sources
from dfsubmit.extraction.remarks import remarks
from dfsubmit.extraction.sources import Source, Wanted
from dfsubmit.labels import FAKE, REAL


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def by_name(sources: list[Source]) -> dict[str, Source]:
    return {source.name.split("/")[-1]: source for source in sources}


@pytest.fixture
def faceforensics(tmp_path: Path) -> Path:
    for compression in ("c23", "c40"):
        youtube = f"original_sequences/youtube/{compression}/videos"
        touch(tmp_path, *(f"{youtube}/{name}.mp4" for name in ("000", "003", "071", "054")))
        touch(tmp_path, f"original_sequences/actors/{compression}/videos/01__kitchen_pan.mp4")
        for method in ("Deepfakes", "FaceSwap", "FaceShifter"):
            folder = f"manipulated_sequences/{method}/{compression}/videos"
            touch(tmp_path, *(f"{folder}/{name}.mp4" for name in ("000_003", "003_000", "071_054")))
        touch(
            tmp_path,
            f"manipulated_sequences/DeepFakeDetection/{compression}/videos/"
            "01_02__kitchen_pan__YVGY8LOK.mp4",
        )
    return tmp_path


def test_faceforensics_videos_of_one_name_stay_apart(faceforensics: Path) -> None:
    sources = find_sources(faceforensics, wanted=Wanted(compression="c40"))
    assert len({source.name for source in sources}) == len(sources) == 4 + 1 + 9 + 1
    assert {source.compression for source in sources} == {"c40"}
    pair = [source for source in sources if source.name.endswith("/000_003.mp4")]
    assert {source.method for source in pair} == {"Deepfakes", "FaceSwap", "FaceShifter"}
    for source in pair:
        assert (source.label, source.dataset) == (FAKE, "faceforensics")
        assert source.identities == ("faceforensics:000", "faceforensics:003")
    dfd = by_name(sources)["01_02__kitchen_pan__YVGY8LOK.mp4"]
    assert dfd.identities == ("faceforensics:actor-01", "faceforensics:actor-02")
    assert by_name(sources)["01__kitchen_pan.mp4"].identities == ("faceforensics:actor-01",)
    groups = identity_groups([source.identities for source in sources])
    assert len(set(groups)) == 3


def test_faceforensics_wants_one_compression_and_known_methods(faceforensics: Path) -> None:
    with pytest.raises(UsageError, match="several compressions"):
        find_sources(faceforensics)
    with pytest.raises(UsageError, match="no compression 'raw'"):
        find_sources(faceforensics, wanted=Wanted(compression="raw"))
    with pytest.raises(UsageError, match="no method 'FaceSwop'") as error:
        find_sources(faceforensics, wanted=Wanted("c23", ("FaceSwop",)))
    assert "FaceSwap" in error.value.hint
    chosen = find_sources(faceforensics, wanted=Wanted("c23", ("Deepfakes",)))
    assert {source.method for source in chosen} == {"youtube", "Deepfakes"}


def test_limit_counts_each_class_and_takes_the_methods_in_turn(faceforensics: Path) -> None:
    chosen = find_sources(faceforensics, wanted=Wanted("c40"), limit=4)
    fakes = [source for source in chosen if source.label == FAKE]
    assert len(fakes) == 4
    assert len({source.method for source in fakes}) == 4
    assert sum(source.label == REAL for source in chosen) == 4


def test_faceforensics_official_split_is_found(faceforensics: Path) -> None:
    for split, pairs in {"train": [["000", "003"]], "val": [["071", "054"]], "test": []}.items():
        (faceforensics / f"{split}.json").write_text(json.dumps(pairs))
    found = by_name(find_sources(faceforensics, wanted=Wanted("c40")))
    assert found["003_000.mp4"].split == found["000.mp4"].split == "train"
    assert found["071_054.mp4"].split == found["054.mp4"].split == "val"
    assert found["01__kitchen_pan.mp4"].split == ""


def test_sequences_of_one_youtube_video_are_joined(faceforensics: Path) -> None:
    wanted = Wanted("c40", ("FaceSwap",))
    sources = find_sources(faceforensics, wanted=wanted)
    assert not_joined(source.identities for source in sources)
    assert "not joined" in " ".join(remarks(sources, "faceforensics"))
    listing = {"000": "aaa 0", "003": "bbb 0", "054": "ccc 0", "071": "bbb 1"}
    (faceforensics / "conversion_dict.json").write_text(json.dumps(listing))
    sources = find_sources(faceforensics, wanted=wanted)
    found = by_name(sources)
    assert found["000_003.mp4"].identities == (
        "faceforensics:000",
        "faceforensics:003",
        "faceforensics:youtube-aaa",
        "faceforensics:youtube-bbb",
    )
    assert set(identity_groups(source.identities for source in sources)) == {"faceforensics:000"}
    assert not not_joined(source.identities for source in sources)
    assert not remarks(sources, "faceforensics")


def test_the_list_of_videos_may_lie_elsewhere_and_must_be_one(
    faceforensics: Path, tmp_path: Path
) -> None:
    path = tmp_path / "ids.json"
    path.write_text(json.dumps({"000": "aaa 0"}))
    found = by_name(find_sources(faceforensics, wanted=Wanted("c23", video_ids=path)))
    assert found["000.mp4"].identities == ("faceforensics:000", "faceforensics:youtube-aaa")
    for text in ("[]", '{"000": 1}', '{"000": ""}', "{"):
        path.write_text(text)
        with pytest.raises(UsageError, match=r"ids\.json"):
            find_sources(faceforensics, wanted=Wanted("c23", video_ids=path))


def test_a_video_on_two_sides_of_the_official_split_is_named(faceforensics: Path) -> None:
    for split, pairs in {"train": [["000", "003"]], "val": [["071", "054"]], "test": []}.items():
        (faceforensics / f"{split}.json").write_text(json.dumps(pairs))
    listing = {"000": "aaa 0", "003": "bbb 0", "054": "ccc 0", "071": "bbb 1"}
    (faceforensics / "conversion_dict.json").write_text(json.dumps(listing))
    (remark,) = remarks(find_sources(faceforensics, wanted=Wanted("c40")), "faceforensics")
    assert remark.startswith("1 stand on two sides")
    assert "youtube-bbb (train: original_sequences/youtube/c40/videos/003.mp4, val: " in remark
    assert "videos/071.mp4)" in remark
