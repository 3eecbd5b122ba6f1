"""What many tests need: sample media, a tiny model, the shared research data where it is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dfsubmit.samples import make_samples, make_untrained_model

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``dfsubmit samples`` makes. Read it; copy what you change."""
    pytest.importorskip("skimage", reason="scikit-image brings the sample photograph")
    folder = tmp_path_factory.mktemp("media")
    make_samples(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT folder: seeded random weights, classes Real 0 and Fake 1, the default recipe."""
    return make_untrained_model(tmp_path_factory.mktemp("models") / "untrained")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The research data that lie beside the repository on some machines and never in it."""
    folder = Path(os.environ.get("DFSUBMIT_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data" / "media").is_dir():
        pytest.skip(f"no research data at {folder} (set DFSUBMIT_SHARED)")
    return folder


def _package(model: Path, target: str, folder: Path) -> Path:
    pytest.importorskip("nbformat", reason="needs the bundle extra")
    from dfsubmit.bundle.packaging import PackageOptions, package

    output = folder / f"{target}-bundle"
    # The fixture's own name, "untrained", is one that the 2025 client would drop.
    package(PackageOptions(model, target, output, name="tiny-vit-demo"))
    return output


@pytest.fixture(scope="session")
def task_bundle(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for the 2025 contract. Read it; copy what you change."""
    return _package(tiny_model, "task", tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def predict_bundle(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for aifactory 3.x. Read it; copy what you change."""
    return _package(tiny_model, "predict", tmp_path_factory.mktemp("bundles"))
