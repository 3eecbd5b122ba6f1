"""The detectors, from the files that the distribution face_recognition_models ships.

King, "Max-Margin Object Detection" (2015), for the CNN; Kazemi and Sullivan, "One Millisecond Face
Alignment with an Ensemble of Regression Trees" (CVPR 2014), for the landmarks, which were learned
from iBUG 300-W: **not for commercial use**.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dfsubmit.hooks import Detector, FloatArray, FoundFace, NotInstalled, Pixels

MODELS = "face_recognition_models"
CNN_FILE = "mmod_human_face_detector.dat"
LANDMARKS_FILE = "shape_predictor_68_face_landmarks.dat"

Faces = Iterable[tuple[Any, float]]
"""dlib's rectangles, and their scores."""


def model_file(name: str) -> str:
    """The path of a model's file.

    Raises:
        NotInstalled: the distribution, or the file in it, is missing.
    """
    # Its own functions need pkg_resources, which setuptools does not bring any more.
    spec = importlib.util.find_spec(MODELS)
    folders = spec.submodule_search_locations if spec is not None else None
    for folder in folders or ():
        path = Path(folder, "models", name)
        if path.is_file():
            return str(path)
    raise NotInstalled(
        f"the model file {name} is missing",
        f"pip install --force-reinstall --no-deps {MODELS} (its landmark model is not for "
        "commercial use)",
    )


def cnn_detector(least: float = 0.0) -> Detector:
    """dlib's CNN detector (mmod), with 68 landmarks.

    Args:
        least: faces with a lower confidence are left out. Confidences of faces are about 1.
    """
    dlib = _dlib()
    detector = dlib.cnn_face_detection_model_v1(model_file(CNN_FILE))

    def search(picture: Pixels, upsampling: int) -> Faces:
        found = [(face.rect, face.confidence) for face in detector(picture, upsampling)]
        return [(box, score) for box, score in found if score >= least]

    return _with_landmarks(dlib, search)


def hog_detector() -> Detector:
    """dlib's HOG detector, the built-in one's boxes and scores, with 68 landmarks."""
    dlib = _dlib()
    detector = dlib.get_frontal_face_detector()

    def search(picture: Pixels, upsampling: int) -> Faces:
        found, scores, _ = detector.run(picture, upsampling, 0.0)
        return list(zip(found, scores, strict=True))

    return _with_landmarks(dlib, search)


def _dlib() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise NotInstalled(f"dlib cannot be imported: {error}", "pip install dlib-bin") from error
    return dlib


def _with_landmarks(dlib: Any, search: Callable[[Pixels, int], Faces]) -> Detector:
    predictor = dlib.shape_predictor(model_file(LANDMARKS_FILE))

    def detect(picture: Pixels, upsampling: int) -> list[FoundFace]:
        return [
            FoundFace(
                (box.left(), box.top(), box.right(), box.bottom()),
                float(score),
                _points(predictor(picture, box)),
            )
            for box, score in search(picture, upsampling)
        ]

    return detect


def _points(shape: Any) -> FloatArray:
    return np.array([(point.x, point.y) for point in shape.parts()], np.float64)
