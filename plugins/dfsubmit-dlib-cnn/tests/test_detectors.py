"""dlib's detectors find the face that is there, and its landmarks, in workers too."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import warnings
from pathlib import Path
from typing import Any

import dfsubmit_dlib_cnn
import numpy as np
import pytest
from dfsubmit_dlib_cnn import detectors
from dfsubmit_dlib_cnn.detectors import MODELS, cnn_detector, hog_detector, model_file

from dfsubmit.errors import NotInstalled
from dfsubmit.faces.cropping import TEMPLATE, TEMPLATE_SIDE, crop_face, points_in_crop
from dfsubmit.faces.detection import FaceDetector
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.hooks.loading import load_plugins
from dfsubmit.hooks.testing import registered_by
from dfsubmit.media.listing import list_media
from dfsubmit.recipe import BUILT_IN, Recipe
from dfsubmit.records import Pixels
from dfsubmit.workers.events import FaceEvent
from dfsubmit.workers.pool import WorkerPool

needs_models = pytest.mark.skipif(
    importlib.util.find_spec(MODELS) is None, reason=f"{MODELS} (100 MB) is not installed"
)
ALIGNED = BUILT_IN["deepfakebench"]
FIVE = [37, 44, 30, 49, 55]


@pytest.fixture(scope="module")
def photograph() -> Pixels:
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the photograph")
    picture: Pixels = data.astronaut()
    return picture


def test_both_are_registered_with_landmarks() -> None:
    plugins = registered_by(dfsubmit_dlib_cnn)
    assert {name: item.landmarks for name, item in plugins.detectors.items()} == {
        "dlib-cnn": True,
        "dlib-hog-68": True,
    }


def test_a_missing_file_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors, "MODELS", "no_such_models")
    with pytest.raises(NotInstalled, match="mmod_human") as caught:
        model_file(detectors.CNN_FILE)
    assert "pip install" in caught.value.hint


@needs_models
def test_the_hog_detectors_boxes_are_the_built_in_ones(photograph: Pixels) -> None:
    plain = FaceDetector(Recipe()).largest(photograph)
    found = FaceDetector(Recipe(detector="dlib-hog-68"), hog_detector()).largest(photograph)
    assert plain is not None
    assert found is not None
    assert (found.box, found.score) == (plain.box, plain.score)
    assert found.landmarks is not None
    assert found.landmarks.shape == (68, 2)
    left, top, right, bottom = found.box
    assert (found.landmarks > (left - 20, top - 20)).all()
    assert (found.landmarks < (right + 20, bottom + 20)).all()


@needs_models
def test_the_cnn_finds_the_same_face(photograph: Pixels) -> None:
    recipe = Recipe(detector="dlib-cnn", detection_width=512, upsampling=0)
    found = FaceDetector(recipe, cnn_detector()).largest(photograph)
    assert found is not None
    assert found.landmarks is not None
    assert found.score > 0.5
    assert abs(found.landmarks.mean(axis=0) - (222, 118)).max() < 25
    assert FaceDetector(recipe, cnn_detector(least=99.0)).largest(photograph) is None


@needs_models
def test_the_aligned_crop_is_deepfakebenchs(photograph: Pixels) -> None:
    """Its `extract_aligned_face_dlib` in a few lines, with scikit-image's estimate."""
    import cv2

    transform: Any = pytest.importorskip("skimage.transform")
    found = FaceDetector(ALIGNED, hog_detector()).largest(photograph)
    assert found is not None
    assert found.landmarks is not None
    side = 256
    there = (TEMPLATE / TEMPLATE_SIDE * side + side * 0.15) / 1.3
    points = found.landmarks[FIVE].astype(np.float32), there.astype(np.float32)
    with warnings.catch_warnings():  # newer releases would have another name
        warnings.simplefilter("ignore", FutureWarning)
        similarity = transform.SimilarityTransform()
        similarity.estimate(*points)
    theirs = cv2.warpAffine(photograph, similarity.params[:2], (side, side))
    ours = crop_face(photograph, found.box, ALIGNED, found.landmarks)
    assert ours is not None
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    eyes = points_in_crop(found.landmarks, photograph.shape[:2], found.box, ALIGNED)[FIVE[:2]]
    assert abs(eyes[0, 1] - eyes[1, 1]) < 8  # level, though the astronaut tilts her head


@needs_models
@pytest.mark.slow
def test_workers_find_the_installed_plugin(photograph: Pixels, tmp_path: Path) -> None:
    from PIL import Image

    try:
        importlib.metadata.distribution("dfsubmit-dlib-cnn")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the plugin is not installed")
    Image.fromarray(photograph).save(tmp_path / "face.png")
    settings = ScanSettings(ALIGNED, detector=load_plugins().detector_plugin(ALIGNED))
    with WorkerPool(settings, 1) as pool:
        events = list(pool.events(list_media(tmp_path)))
    (face,) = [event.face for event in events if isinstance(event, FaceEvent)]
    assert face.crop.shape == (256, 256, 3)
    assert face.landmarks is not None
