"""Celeb-DF: which release a folder holds, whom its names show, and its list of test videos."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import by_name, touch

from dfsubmit.extraction.layouts import find_sources, layout_of
from dfsubmit.extraction.sources import Wanted
from dfsubmit.labels import FAKE, REAL


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_first_two_releases(tmp_path: Path, version: str) -> None:
    root = tmp_path / f"Celeb-DF-{version}"
    touch(
        root,
        "Celeb-real/id0_0000.mp4",
        "Celeb-synthesis/id0_id16_0000.mp4",
        "YouTube-real/00170.mp4",
        ".DS_Store",
        "Celeb-real/.hidden.mp4",
    )
    (root / "List_of_testing_videos.txt").write_text("1 YouTube-real/00170.mp4\n\n")
    found = by_name(find_sources(root))
    assert {name: source.split for name, source in found.items()} == {
        "Celeb-real/id0_0000.mp4": "",
        "Celeb-synthesis/id0_id16_0000.mp4": "",
        "YouTube-real/00170.mp4": "test",
    }
    fake = found["Celeb-synthesis/id0_id16_0000.mp4"]
    assert (fake.label, fake.dataset) == (FAKE, f"celeb-df-{version}")
    assert fake.identities == ("celeb-df:id0", "celeb-df:id16")
    assert found["Celeb-real/id0_0000.mp4"].identities == ("celeb-df:id0",)
    assert found["YouTube-real/00170.mp4"].label == REAL


@pytest.mark.parametrize("videos", ["", "videos/"])
def test_celeb_df_pp_has_a_folder_for_each_method(tmp_path: Path, videos: str) -> None:
    swap = f"Celeb-synthesis/FaceSwap/BlendFace/{videos}id0_id16_0000.mp4"
    same = f"Celeb-synthesis/FaceSwap/SimSwap/{videos}id0_id16_0000.mp4"
    talk = f"Celeb-synthesis/TalkingFace/SadTalker/{videos}id2_0003_test_00012.mp4"
    real = f"Celeb-real/{videos}id0_0000.mp4"
    touch(tmp_path, swap, same, talk, real)
    (tmp_path / "List_of_testing_videos.txt").write_text(
        "1 Celeb-real/id0_0000.mp4\n0 Celeb-synthesis/FaceSwap/BlendFace/id0_id16_0000.mp4\n"
    )
    assert layout_of(tmp_path) == "celeb-df-pp"
    found = by_name(find_sources(tmp_path))
    assert (found[swap].method, found[talk].method) == ("BlendFace", "SadTalker")
    assert found[swap].identities == found[same].identities == ("celeb-df:id0", "celeb-df:id16")
    assert found[talk].identities == ("celeb-df:id2",)
    # Two methods make videos of one name, and the list means one of them.
    assert [found[name].split for name in (swap, same, talk, real)] == ["test", "", "", "test"]
    chosen = by_name(find_sources(tmp_path, wanted=Wanted(methods=("SimSwap",))))
    assert set(chosen) == {same, real}
