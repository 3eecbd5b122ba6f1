"""DeepfakeBench's lists: labels, splits and people of the data sets in them; paths of elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trees import touch

from dfsubmit.errors import UsageError
from dfsubmit.extraction.layouts import find_sources, layout_of
from dfsubmit.extraction.sources import Source, Wanted
from dfsubmit.labels import FAKE, REAL

FF = "FaceForensics++/{}/c23/frames/{}/000.png"
REAL_000, REAL_003 = (FF.format("original_sequences/youtube", name) for name in ("000", "003"))
FAKE_000 = FF.format("manipulated_sequences/Deepfakes", "000_003")


def listed(name: str, *frames: str) -> dict[str, Any]:
    return {"label": name, "frames": list(frames)}


def write(root: Path, name: str, content: Any, folder: str = "dataset_json") -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / f"{name}.json").write_text(json.dumps(content))


def frames_of(sources: list[Source], root: str = "rgb/") -> dict[str, Source]:
    return {source.name.removeprefix(root): source for source in sources}


def faceforensics(fake: str = "FF-DF", prefix: str = "") -> dict[str, Any]:
    """What the script writes for one method of FaceForensics++."""
    return {
        fake: {
            "FF-real": {
                "train": {"c23": {"000": listed("FF-real", prefix + REAL_000)}},
                "val": {"c23": {}},
                "test": {"c23": {"003": listed("FF-real", prefix + REAL_003)}},
            },
            fake: {
                "train": {"c23": {"000_003": listed(fake, prefix + FAKE_000)}},
                "val": {"c23": {}},
                "test": {"c23": {}},
            },
        }
    }


@pytest.mark.parametrize(
    ("prefix", "place", "folder"),
    [
        ("", "rgb", "dataset_json"),
        ("/workspace/datasets/rgb/", "datasets/rgb", "preprocessing/dataset_json"),
        ("deepfakes_detection_datasets\\", "datasets", "dataset_json"),
        ("../../", ".", "dataset_json"),
    ],
)
def test_frames_are_found_by_the_end_of_their_path(
    tmp_path: Path, prefix: str, place: str, folder: str
) -> None:
    touch(tmp_path / place, REAL_000, REAL_003, FAKE_000)
    write(tmp_path, "FF-DF", faceforensics(prefix=prefix), folder)
    assert layout_of(tmp_path) == "deepfakebench"
    found = frames_of(find_sources(tmp_path), "" if place == "." else f"{place}/")
    assert {name: source.split for name, source in found.items()} == {
        REAL_000: "train",
        REAL_003: "test",
        FAKE_000: "train",
    }
    fake = found[FAKE_000]
    assert (fake.label, fake.method, fake.dataset) == (FAKE, "Deepfakes", "faceforensics")
    assert (fake.compression, fake.identities) == (
        "c23",
        ("faceforensics:000", "faceforensics:003"),
    )
    assert (found[REAL_000].label, found[REAL_000].method) == (REAL, "youtube")


def test_frames_in_several_lists_are_taken_once(tmp_path: Path) -> None:
    touch(tmp_path / "rgb", REAL_000, REAL_003, FAKE_000)
    write(tmp_path, "FF-DF", faceforensics())
    write(tmp_path, "FaceForensics++", {"FaceForensics++": faceforensics()["FF-DF"]})
    assert len(find_sources(tmp_path)) == 3
    assert len(find_sources(tmp_path, wanted=Wanted(methods=("Deepfakes",)))) == 3
    write(tmp_path, "wrong", {"X": {"X_fake": {"test": {"000": listed("X_fake", REAL_000)}}}})
    with pytest.raises(UsageError, match="both as real and as fake"):
        find_sources(tmp_path)


def test_a_compression_is_chosen_where_there_are_several(tmp_path: Path) -> None:
    both = faceforensics()
    c40 = FAKE_000.replace("c23", "c40")
    both["FF-DF"]["FF-DF"]["train"]["c40"] = {"000_003": listed("FF-DF", c40)}
    touch(tmp_path / "rgb", REAL_000, REAL_003, FAKE_000, c40)
    write(tmp_path, "FF-DF", both)
    with pytest.raises(UsageError, match="several compressions") as error:
        find_sources(tmp_path)
    assert error.value.hint == "--compression c23 or c40"
    assert set(frames_of(find_sources(tmp_path, wanted=Wanted("c40")))) == {c40}
    with pytest.raises(UsageError, match="no compression 'raw'"):
        find_sources(tmp_path, wanted=Wanted("raw"))


def one_class(dataset: str, kind: str, **splits: list[str]) -> dict[str, Any]:
    """A class of a data set whose videos have one frame each."""
    names = {
        split: {video: listed(kind, f"{dataset}/{kind}/frames/{video}/0.png") for video in videos}
        for split, videos in splits.items()
    }
    return {kind: names}


@pytest.mark.parametrize(
    ("dataset", "kind", "video", "people"),
    [
        ("Celeb-DF-v2", "CelebDFv2_fake", "id0_id16_0001", ("celeb-df:id0", "celeb-df:id16")),
        ("Celeb-DF-v1", "CelebDFv1_real", "00170", ("celeb-df:youtube-00170",)),
        (
            "DeepFakeDetection", "DFD_fake", "01_02__exit__YVGY8LOK",
            ("faceforensics:actor-01", "faceforensics:actor-02"),
        ),
        ("FaceShifter", "FF-FH", "000_003", ("faceforensics:000", "faceforensics:003")),
        (
            "DeeperForensics-1.0", "DF_fake", "000_M101",
            ("faceforensics:000", "deeperforensics-1.0:M101"),
        ),
        ("DeeperForensics-1.0", "DF_real", "M101_BlendShape_camera_down",
         ("deeperforensics-1.0:M101",)),
        ("DFDCP", "DFDCP_FakeA", "1224068_A_001", ("dfdcp:1224068",)),
        ("DFDC", "DFDC_Fake", "aaqaifqrwn", ("dfdc:aaqaifqrwn",)),
        ("UADFV", "UADFV_Fake", "0000_fake", ("uadfv:0000",)),
    ],
)  # fmt: skip
def test_whom_the_names_of_each_data_set_show(
    tmp_path: Path, dataset: str, kind: str, video: str, people: tuple[str, ...]
) -> None:
    write(tmp_path, dataset, {dataset: one_class(dataset, kind, train=[video])})
    touch(tmp_path / "rgb", f"{dataset}/{kind}/frames/{video}/0.png")
    (source,) = find_sources(tmp_path)
    assert source.identities == people
    assert source.label == (REAL if kind.endswith("real") else FAKE)


def test_a_fake_of_dfdc_is_tied_to_its_original(tmp_path: Path) -> None:
    part = "DFDC/train/dfdc_train_part_0"
    frame = f"{part}/frames/fake1/0.png"
    touch(tmp_path / "rgb", frame, "DFDC/test/frames/clip2/0.png")
    facts = {"fake1.mp4": {"label": "FAKE", "original": "real1.mp4"}}
    (tmp_path / "rgb" / part / "metadata.json").write_text(json.dumps(facts))
    # The script writes the last test video in the place of all videos of val.
    last = listed("DFDC_Real", "DFDC/test/frames/clip2/0.png")
    content = {
        "DFDC_Fake": {"train": {"fake1": listed("DFDC_Fake", frame)}, "val": {}},
        "DFDC_Real": {"test": {"clip2": last}, "val": last},
    }
    write(tmp_path, "DFDC", {"DFDC": content})
    found = frames_of(find_sources(tmp_path))
    assert found[frame].identities == ("dfdc:real1",)
    assert found["DFDC/test/frames/clip2/0.png"].split == "test"


def test_the_splits_that_hold_where_lists_repeat_videos(tmp_path: Path) -> None:
    # Celeb-DF's test videos stand in all three; UADFV's and DeeperForensics' real ones all do.
    celeb = one_class("Celeb-DF-v2", "CelebDFv2_real", train=["00170", "00171"], test=["00170"])
    uadfv = one_class("UADFV", "UADFV_Real", train=["0000"], val=["0000"], test=["0000"])
    dfdcp = one_class("DFDCP", "DFDCP_Real", train=["1_A"], test=["2_A"], val=["2_A"])
    methods = {"BlendFace": {"id0_id1_0": listed("x", "Celeb-DF-v3/BlendFace/id0_id1_0/0.png")}}
    pp = {"CelebDFv3_fake": {"train": methods, "test": {"BlendFace": {}}}}
    for name, content in (("Celeb-DF-v2", celeb), ("UADFV", uadfv), ("DFDCP", dfdcp)):
        write(tmp_path, name, {name: content})
        videos = {video for split in next(iter(content.values())).values() for video in split}
        kind = next(iter(content))
        touch(tmp_path / "rgb", *(f"{name}/{kind}/frames/{video}/0.png" for video in videos))
    write(tmp_path, "Celeb-DF-v3", {"Celeb-DF-v3": pp})
    touch(tmp_path / "rgb", "Celeb-DF-v3/BlendFace/id0_id1_0/0.png")
    found = {source.path.parent.name: source for source in find_sources(tmp_path)}
    assert {name: source.split for name, source in found.items()} == {
        "00170": "test",
        "00171": "train",
        "0000": "",
        "1_A": "train",
        "2_A": "test",
        "id0_id1_0": "train",
    }
    assert found["id0_id1_0"].method == "BlendFace"


def test_frames_that_are_not_there_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "FF-DF", faceforensics(prefix="/elsewhere/"))
    with pytest.raises(UsageError, match="none of the frames in its lists is there") as error:
        find_sources(tmp_path)
    assert str(tmp_path / "rgb") in error.value.hint
    touch(tmp_path / "rgb", REAL_000)
    assert len(find_sources(tmp_path)) == 1
    assert "2 frames of the lists are not there" in capsys.readouterr().err


@pytest.mark.parametrize("content", [[], {"a": 1}, {"a": {"frames": ["x/0.png"]}}, {"a": ["b"]}])
def test_a_list_in_another_form_is_named(tmp_path: Path, content: Any) -> None:
    write(tmp_path, "mine", content)
    with pytest.raises(UsageError, match=r"mine\.json: not a list of DeepfakeBench"):
        find_sources(tmp_path)
