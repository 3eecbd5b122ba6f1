"""WildDeepfake: its four parts, unpacked or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import by_name, groups_of, touch

from dfsubmit.errors import UsageError
from dfsubmit.extraction.layouts import find_sources, layout_of
from dfsubmit.labels import FAKE, REAL


@pytest.mark.parametrize(("above", "mark"), [("", "_"), ("deepfake_in_the_wild/", " ")])
def test_sequences_of_one_archive_are_tied(tmp_path: Path, above: str, mark: str) -> None:
    train, test, fake = (f"{above}{name}" for name in ("real_train", "real_test", "fake_test"))
    train, test, fake = (name.replace("_t", f"{mark}t") for name in (train, test, fake))
    touch(
        tmp_path,
        f"{train}/0/real/0/12.png",
        f"{train}/0/real/1/40.png",
        f"{train}/1/real/0/12.png",
        f"{train}/0.tar.gz",
        f"{test}/0/real/0/12.png",
        f"{fake}/0/fake/0/12.png",
    )
    assert layout_of(tmp_path) == "wilddeepfake"
    found = by_name(find_sources(tmp_path))
    assert len(found) == 5
    assert {source.label for source in found.values() if "fake" in source.name} >= {FAKE}
    first = found[f"{train}/0/real/0/12.png"]
    assert (first.label, first.split) == (REAL, "train")
    last = found[f"{fake}/0/fake/0/12.png"]
    assert (last.label, last.split, last.method) == (FAKE, "test", "fake")
    groups = groups_of(list(found.values()))
    assert groups[first.name] == groups[f"{train}/0/real/1/40.png"]
    assert len(set(groups.values())) == 4


def test_archives_say_how_to_unpack_them(tmp_path: Path) -> None:
    touch(tmp_path, "real_train/0.tar.gz", "fake_train/0.tar.gz")
    with pytest.raises(UsageError, match="archives are not unpacked") as error:
        find_sources(tmp_path)
    assert "tar -xzf" in error.value.hint
