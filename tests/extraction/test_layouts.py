"""Which files a data set's folders hold, their labels, and who is to be seen in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfsubmit.errors import UsageError
from dfsubmit.extraction.groups import identity_groups
from dfsubmit.extraction.layouts import find_sources
from dfsubmit.extraction.sources import Source
from dfsubmit.labels import FAKE, REAL


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def by_name(sources: list[Source]) -> dict[str, Source]:
    return {source.name.split("/")[-1]: source for source in sources}


def test_dfdc_ties_a_fake_to_its_original(tmp_path: Path) -> None:
    part = tmp_path / "dfdc_train_part_0"
    touch(part, "real.mp4", "fake.mp4")
    listing = {
        "real.mp4": {"label": "REAL", "split": "train"},
        "fake.mp4": {"label": "FAKE", "split": "train", "original": "real.mp4"},
        "absent.mp4": {"label": "FAKE", "original": "real.mp4"},
    }
    (part / "metadata.json").write_text(json.dumps(listing))
    for root in (tmp_path, part):
        found = by_name(find_sources(root))
        assert set(found) == {"real.mp4", "fake.mp4"}
        assert found["fake.mp4"].identities == found["real.mp4"].identities == ("dfdc:real",)
        assert found["fake.mp4"].label == FAKE


def test_real_and_fake_folders(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.mp4", "real/b/0.png", "real/b/1.png", "fake/a.mp4", "real/notes.txt")
    sources = find_sources(tmp_path)
    found = identity_groups([source.identities for source in sources])
    groups = {source.name: group for source, group in zip(sources, found, strict=True)}
    assert groups["real/a.mp4"] == groups["fake/a.mp4"] != groups["real/b/0.png"]
    assert groups["real/b/0.png"] == groups["real/b/1.png"]
    assert len(sources) == 4
    assert {source.label for source in sources if source.name.startswith("fake/")} == {FAKE}


def test_csv(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(
        "path,label,group,method,split\nx/1.png,real,g1,,train\nx/2.png,FAKE,g1,swap,val\n3.png,1,,,\n"
    )
    first, second, third = sorted(
        find_sources(tmp_path / "mine.csv"), key=lambda source: source.path.name
    )
    assert first.path == tmp_path / "x/1.png"
    assert (first.method, second.method, third.method) == ("original", "swap", "fake")
    assert first.identities == second.identities != third.identities
    assert (first.split, second.split, third.split) == ("train", "val", "")
    assert [s.label for s in (first, second, third)] == [REAL, FAKE, FAKE]


@pytest.mark.parametrize("line", [",real,,,", "a.png,maybe,,,", "a.png,real,,,dev"])
def test_a_line_of_the_csv_that_cannot_be_meant_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "mine.csv").write_text(f"path,label,group,method,split\nb.png,real,,,\n{line}\n")
    with pytest.raises(UsageError, match="line 3"):
        find_sources(tmp_path / "mine.csv")


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no known layout"):
        find_sources(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        find_sources(tmp_path / "absent")
    with pytest.raises(UsageError, match="no layout 'faceforensic'") as error:
        find_sources(tmp_path, "faceforensic")
    assert "faceforensics" in error.value.hint
    (tmp_path / "real").mkdir()
    (tmp_path / "fake").mkdir()
    with pytest.raises(UsageError, match="holds no files"):
        find_sources(tmp_path)
