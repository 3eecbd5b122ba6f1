"""KoDF as AI-Hub's archives unpack: methods by folder, people by name and by the lists."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from trees import by_name, groups_of, touch

from dfsubmit.errors import UsageError
from dfsubmit.extraction.layouts import find_sources, layout_of
from dfsubmit.labels import FAKE, REAL

TRAINING, VALIDATION = "1.Training", "2.Validation"
REALS = f"{TRAINING}/[원천][원본]원본1"
DFFS = f"{TRAINING}/[원천][변조]train_dffs1_data/20201019/100001"
SPOKEN = f"{VALIDATION}/[원천][변조]audio_driven1/20201020/100004"
LISTS = f"{TRAINING}/[라벨링]train_meta/train_meta_data"


@pytest.fixture
def kodf(tmp_path: Path) -> Path:
    touch(
        tmp_path,
        f"{REALS}/100001/100001_007.mp4",
        f"{REALS}/100002/100002_001.mp4",
        f"{REALS}/100003/100003_001.mp4",
        f"{DFFS}/100001_100002_2_0001.mp4",
        f"{SPOKEN}/100004_100004_5_0001.mp4",
    )
    return tmp_path


def test_names_and_folders_say_it_all(kodf: Path) -> None:
    assert layout_of(kodf) == "kodf"
    found = by_name(find_sources(kodf))
    fake = found[f"{DFFS}/100001_100002_2_0001.mp4"]
    assert (fake.label, fake.method, fake.split) == (FAKE, "dffs", "train")
    assert fake.identities == ("kodf:100001", "kodf:100002")
    spoken = found[f"{SPOKEN}/100004_100004_5_0001.mp4"]
    assert (spoken.label, spoken.method, spoken.split) == (FAKE, "audio-driven", "val")
    real = found[f"{REALS}/100001/100001_007.mp4"]
    assert (real.label, real.method, real.split) == (REAL, "original", "train")
    groups = groups_of(list(found.values()))
    assert groups[real.name] == groups[f"{REALS}/100002/100002_001.mp4"] == groups[fake.name]
    assert len(set(groups.values())) == 3


@pytest.mark.parametrize(("encoding", "form"), [("utf-8-sig", "NFD"), ("cp949", "NFC")])
def test_the_lists_add_people_whom_names_do_not_show(
    kodf: Path, encoding: str, form: Literal["NFC", "NFD"]
) -> None:
    lists = kodf / LISTS
    lists.mkdir(parents=True)
    names = [f"{kind}영상_training_메타데이터.csv" for kind in ("원본", "변조")]
    # macOS keeps Korean names in pieces.
    first, second = (lists / unicodedata.normalize(form, name) for name in names)
    real = "영상ID,UUID,인물성별\n100003_001.mp4,aa11,여성\n"
    fake = "영상ID,변조모델,소스UUID,타겟UUID\n100001_100002_2_0001.mp4,dffs,aa11,bb22\n"
    first.write_text(real, encoding=encoding)
    second.write_text(fake, encoding=encoding)
    found = by_name(find_sources(kodf))
    assert found[f"{REALS}/100003/100003_001.mp4"].identities == ("kodf:100003", "kodf:aa11")
    groups = groups_of(list(found.values()))
    assert groups[f"{REALS}/100003/100003_001.mp4"] == groups[f"{DFFS}/100001_100002_2_0001.mp4"]


def test_a_list_in_another_encoding_is_named(kodf: Path) -> None:
    (kodf / LISTS).mkdir(parents=True)
    (kodf / LISTS / "변조영상_training_메타데이터.csv").write_bytes("영상ID".encode("utf-16"))
    with pytest.raises(UsageError, match="변조영상_training"):
        find_sources(kodf)


def test_folders_whose_korean_names_were_damaged_in_unpacking(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "_fsgan1_data/a1_b2_3_0001.mp4",
        "_train_fo1_data/a1_b2_4_0001.mp4",
        "x1/c3/c3_001.mp4",
    )
    found = by_name(find_sources(tmp_path))
    assert [source.method for source in found.values()] == ["fsgan", "fo", "original"]
    # Another form of AI-Hub's archives is four deep.
    deep = "1.Training/원천데이터/train_변조"
    touch(tmp_path / "deep", f"{deep}/dfl/a1_b2_1_0001.mp4", f"{deep}/dffs/a1_b2_2_0001.mp4")
    assert layout_of(tmp_path / "deep") == "kodf"
    # A folder of one's own with real/ and fake/ stays that, whatever its methods are called.
    touch(tmp_path / "own", "real/a.mp4", "fake/fsgan/a.mp4", "fake/dfl/a.mp4")
    assert layout_of(tmp_path / "own") == "real-fake"
