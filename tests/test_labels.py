"""Labels are read as people write them, and from the folders that files lie in."""

from __future__ import annotations

import pytest

from dfsubmit.labels import FAKE, REAL, label_of_folder, read_label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("0", REAL),
        ("1", FAKE),
        ("real", REAL),
        (" FAKE ", FAKE),
        ("Real", REAL),
        ("", None),
        ("2", None),
        ("01", None),
        ("deepfake", None),
    ],
)
def test_labels_are_read_as_people_write_them(text: str, label: int | None) -> None:
    assert read_label(text) == label


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("fake/a.mp4", FAKE),
        ("part1/Real/a.mp4", REAL),
        ("real/fake/a.mp4", FAKE),
        ("real.mp4", None),
        ("other/a.mp4", None),
    ],
)
def test_the_nearest_folder_named_real_or_fake_counts(name: str, label: int | None) -> None:
    assert label_of_folder(name) == label
