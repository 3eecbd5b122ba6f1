"""Sample media and a tiny model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dfsubmit.samples import make_samples, make_untrained_model

# Machines that are simulated on one share its cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``dfsubmit samples`` makes."""
    pytest.importorskip("skimage", reason="scikit-image brings the sample photograph")
    folder = tmp_path_factory.mktemp("made") / "samples"
    make_samples(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT folder with seeded random weights."""
    folder = tmp_path_factory.mktemp("made") / "model"
    make_untrained_model(folder)
    return folder
