"""Folders of one's own: real/ and fake/ at any depth, and patterns for labels in paths."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import by_name, groups_of, touch

from dfsubmit.errors import UsageError
from dfsubmit.extraction.layouts import find_sources, layout_of
from dfsubmit.extraction.sources import Wanted
from dfsubmit.labels import FAKE, REAL


def test_real_and_fake_are_found_at_any_depth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("a/real/x.mp4", "a/fake/x.mp4", "b/c/Fake/x.mp4", "b/c/real/v/0.png", "notes/y.mp4")
    touch(tmp_path, *names, "a/real/list.csv")
    with pytest.raises(UsageError, match="no known layout") as error:
        layout_of(tmp_path)
    assert "--recursive" in error.value.hint
    wanted = Wanted(recursive=True)
    assert layout_of(tmp_path, None, wanted) == "real-fake"
    found = by_name(find_sources(tmp_path, wanted=wanted))
    assert {name: source.label for name, source in found.items()} == {
        "a/real/x.mp4": REAL,
        "a/fake/x.mp4": FAKE,
        "b/c/Fake/x.mp4": FAKE,
        "b/c/real/v/0.png": REAL,
    }
    groups = groups_of(list(found.values()))
    assert groups["a/real/x.mp4"] == groups["a/fake/x.mp4"] != groups["b/c/Fake/x.mp4"]
    assert "left out, for their paths say no label: 1 (notes/y.mp4)" in capsys.readouterr().err


def test_the_nearest_folder_labels_only_with_recursive(tmp_path: Path) -> None:
    touch(tmp_path, "real/fake/x.mp4", "fake/y.mp4")
    plain = by_name(find_sources(tmp_path))
    below = by_name(find_sources(tmp_path, wanted=Wanted(recursive=True)))
    assert plain["real/fake/x.mp4"].label == REAL
    assert below["real/fake/x.mp4"].label == FAKE


@pytest.mark.parametrize(
    ("pattern", "name", "label", "method", "split", "who"),
    [
        ("{label}/{group}/*", "real/ann/1.png", REAL, "original", "", "ann"),
        ("{label}/{group}_*.png", "fake/ann_001.png", FAKE, "fake", "", "ann"),
        ("{split}/{label}/{method}/*", "train/1/swap/x.mp4", FAKE, "swap", "train", None),
        ("**/{label}-*", "a/b/genuine-7.mp4", REAL, "original", "", None),
        ("**/{label}/*", "manipulated/7.mp4", FAKE, "fake", "", None),
        ("{split}_{label}/**", "Validation_Real/a/b.jpg", REAL, "original", "val", None),
    ],
)
def test_a_pattern_finds_what_a_path_says(
    tmp_path: Path, pattern: str, name: str, label: int, method: str, split: str, who: str | None
) -> None:
    root = tmp_path / "mine"
    touch(root, name)
    wanted = Wanted(label_from=pattern)
    assert layout_of(root, None, wanted) == "folder"
    (source,) = find_sources(root, wanted=wanted)
    assert (source.label, source.method, source.split) == (label, method, split)
    assert source.identities == (f"mine:{who or name}",)


def test_files_that_do_not_fit_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path, "real/1.png", "real/deep/1.png", "2.png")
    assert len(find_sources(tmp_path, wanted=Wanted(label_from="{label}/*"))) == 1
    assert "say no label: 2 (2.png, real/deep/1.png)" in capsys.readouterr().err
    with pytest.raises(UsageError, match="holds no files"):
        find_sources(tmp_path, wanted=Wanted(label_from="x/{label}/*"))


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("*/x", "each field once"),
        ("{label}/{label}", "each field once"),
        ("{label}/{person}/*", "no field {person}"),
        ("{label}/*", "finds labels that are none: cats (2 files)"),
        ("{split}/{label}.*", "'cats' is no split"),
    ],
)
def test_a_pattern_that_cannot_be_meant(tmp_path: Path, pattern: str, fault: str) -> None:
    touch(tmp_path, "cats/real.png", "cats/fake.png")
    with pytest.raises(UsageError) as error:
        find_sources(tmp_path, wanted=Wanted(label_from=pattern))
    assert fault in error.value.message
    assert error.value.hint


def test_options_of_another_layout_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs --label-from"):
        find_sources(tmp_path, "folder")
    with pytest.raises(UsageError, match="--recursive belongs to the layout real-fake"):
        find_sources(tmp_path, "dfdc", Wanted(recursive=True))
    with pytest.raises(UsageError, match="--label-from belongs to the layout folder"):
        find_sources(tmp_path, wanted=Wanted(recursive=True, label_from="{label}/*"))
