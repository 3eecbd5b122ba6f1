"""OpenForensics: an image's label by those of all its faces, and the official split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trees import by_name, touch

from dfsubmit.errors import UsageError
from dfsubmit.extraction.layouts import find_sources, layout_of
from dfsubmit.labels import FAKE, REAL


def listing(faces: dict[str, list[int]]) -> dict[str, Any]:
    """A list in COCO's form: the categories of the faces by image."""
    return {
        "categories": [{"id": 0, "name": "Real"}, {"id": 1, "name": "Fake"}],
        "images": [{"id": n, "file_name": f"Images/X/{name}"} for n, name in enumerate(faces)],
        "annotations": [
            {"image_id": number, "category_id": category, "bbox": [0, 0, 9, 9]}
            for number, categories in enumerate(faces.values())
            for category in categories
        ],
    }


def test_images_whose_faces_agree_are_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(
        tmp_path, "Train/Train/a.jpg", "Train/Train/b.jpg", "Train/Train/c.jpg", "Images/Val/d.jpg"
    )
    touch(tmp_path, "Test-Dev/e.jpg", "Test-Challenge/Test-Challenge/a.jpg")
    lists = {
        "Train/Train_poly.json": {"a.jpg": [0, 0], "b.jpg": [1], "c.jpg": [0, 1], "gone.jpg": [1]},
        "Val_poly.json": {"d.jpg": [1, 1]},
        "Test-Dev/Test-Dev_poly.json": {"e.jpg": [0]},
        "Test-Challenge/Test-Challenge_poly.json": {"a.jpg": [1]},
    }
    for name, faces in lists.items():
        (tmp_path / name).write_text(json.dumps(listing(faces)))
    assert layout_of(tmp_path) == "openforensics"
    found = by_name(find_sources(tmp_path))
    assert {name: (source.label, source.split) for name, source in found.items()} == {
        "Train/Train/a.jpg": (REAL, "train"),
        "Train/Train/b.jpg": (FAKE, "train"),
        "Images/Val/d.jpg": (FAKE, "val"),
        "Test-Dev/e.jpg": (REAL, "test"),
        "Test-Challenge/Test-Challenge/a.jpg": (FAKE, "test"),
    }
    assert "left out: 1 images that show both" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["[]", '{"images": []}', '{"annotations": [{}], "images": []}'])
def test_a_list_in_another_form_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "Val_poly.json").write_text(content)
    with pytest.raises(UsageError, match=r"Val_poly\.json: not a list"):
        find_sources(tmp_path)
