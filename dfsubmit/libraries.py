"""Import of OpenCV and dlib, with a remedy if it fails."""

from __future__ import annotations

from typing import Any

from dfsubmit.errors import NotInstalled

WHEELS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
"""The distributions of the module ``cv2``. All use the same path, so install only one of them."""

OPENCV_BOUND = "<4.13"
"""The supported releases. From 4.13 on (5.0 too), FFmpeg 8's swscale refuses interlaced pictures,
and OpenCV returns the previous content of its buffer instead."""


def load_cv2() -> Any:
    """The module ``cv2``.

    Raises:
        NotInstalled: it is missing, or the system's libraries that its wheel links are.
    """
    try:
        import cv2
    except ImportError as error:
        raise NotInstalled(f"OpenCV cannot be imported: {error}", _hint(error)) from error
    return cv2


def _hint(error: ImportError) -> str:
    # `opencv-python` brings windows through Qt, which links libGL, libxcb and
    # GLib from the system; servers and containers often have none of them. The headless wheel
    # brings the same decoders and needs none.
    if isinstance(error, ModuleNotFoundError):
        return f'pip install "opencv-python{OPENCV_BOUND}"'
    return (
        f'pip uninstall -y {" ".join(WHEELS)} && pip install "opencv-python-headless{OPENCV_BOUND}"'
        " (it needs no libraries of the system)"
    )


def load_dlib() -> Any:
    """The dlib module, from `dlib-bin` or from dlib itself.

    Raises:
        NotInstalled: neither can be imported.
    """
    try:
        import dlib
    except ImportError as error:
        from dfsubmit.errors import NotInstalled

        raise NotInstalled(f"dlib cannot be imported: {error}", "pip install dlib-bin") from error
    return dlib
