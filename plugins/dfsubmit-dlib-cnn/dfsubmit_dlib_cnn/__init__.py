"""Face detectors with 68 landmarks: dlib's CNN and dlib's HOG detector."""

from __future__ import annotations

from dfsubmit.hooks import RegisterDetector, hookimpl
from dfsubmit_dlib_cnn.detectors import cnn_detector, hog_detector

DFSUBMIT_HOOKS = 1


@hookimpl
def register_detectors(register: RegisterDetector) -> None:
    """Register ``dlib-cnn`` and ``dlib-hog-68``."""
    register("dlib-cnn", cnn_detector, landmarks=True)
    register("dlib-hog-68", hog_detector, landmarks=True)
