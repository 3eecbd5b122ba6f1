"""What the tests of model folders and of zips of them share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The smallest thing that is a model folder."""
    path = tmp_path / "portrait"
    path.mkdir()
    config = {"id2label": {"0": "Realism", "1": "Deepfake"}}
    (path / "config.json").write_text(json.dumps(config))
    (path / "preprocessor_config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(b"weights")
    return path
