"""Whether the installed OpenCV decodes interlaced video: two pictures whose pixels are known.

OpenCV 4.13, 4.14 and 5.0 report success for interlaced pictures and return the previous content of
their buffer, which may be another file's faces. Their FFmpeg 8 does not convert interlaced pictures
to progressive ones, and OpenCV ignores swscale's return value. setup.cfg excludes these releases.
This test is for environments installed otherwise, and for later releases with the same defect.

A failure ends the run. A second decoder would have to give the same pixels as the first, only for
releases that one command can replace.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import importlib.metadata
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from dfsubmit.errors import NotInstalled
from dfsubmit.libraries import OPENCV_BOUND, WHEELS

# An MPEG-2 stream of two interlaced pictures, 32 x 32, of which one half is light (200) and the
# other dark (40): the left half of the first, the right half of the second. Made with
#   ffmpeg -f rawvideo -pix_fmt rgb24 -s 32x32 -i - -vf format=yuv420p,setfield=tff
#     -c:v mpeg2video -flags +ilme+ildct -g 1 -q:v 4 -f mpeg2video
_CLIP = (
    "eNpjYGDczMSgIPz//wMJBgbGrSJNDIwMQMC4g4GDwYEBxOH//wMk0///cwNIglG5+lTQRLE/r72ClIBc"
    "JlQubsMOYDes5tiUJa77XYOmdDSATUPiAwDqsS4V"
)
_LIGHT, _DARK, _TOLERANCE = 200, 40, 10


@functools.cache
def check_opencv() -> None:
    """Decode the two pictures; once per process, takes some milliseconds.

    Raises:
        NotInstalled: the pixels are wrong. The hint names usable releases.
    """
    if _decoded_right():
        return
    wheel = next((name for name in WHEELS if _installed(name)), WHEELS[0])
    raise NotInstalled(
        f"OpenCV {cv2.__version__} gives wrong pictures for interlaced video, or none",
        f'pip install "{wheel}{OPENCV_BOUND}"',
    )


def _decoded_right() -> bool:
    with _file(zlib.decompress(base64.b64decode(_CLIP))) as name:
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
        try:
            for halves in ((_LIGHT, _DARK), (_DARK, _LIGHT)):
                decoded, pixels = capture.read()
                if not decoded or pixels is None or pixels.shape != (32, 32, 3):
                    return False
                # Without the columns in the middle, where the halves run into one another.
                for value, half in zip(halves, (pixels[:, :14], pixels[:, 18:]), strict=True):
                    if np.abs(half.astype(int) - value).max() > _TOLERANCE:
                        return False
        finally:
            capture.release()
    return True


@contextlib.contextmanager
def _file(data: bytes) -> Iterator[str]:
    """The name of a file of these bytes: in memory where the system can, so that a full disk does
    not stop the test."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("interlaced")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "interlaced.m2v")
            path.write_bytes(data)
            yield str(path)


def _installed(wheel: str) -> bool:
    try:
        importlib.metadata.version(wheel)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
