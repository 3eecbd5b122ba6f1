"""An OpenCV that gives stale memory for interlaced pictures is told from one that decodes them."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from poison import loaded

from dfsubmit.errors import DfsubmitError, Exit, NotInstalled
from dfsubmit.faces.scan import Scanner
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.libraries import OPENCV_BOUND
from dfsubmit.media import selftest
from dfsubmit.recipe import Recipe
from dfsubmit.records import MediaFile
from dfsubmit.workers.pool import WorkerPool

REPOSITORY = Path(__file__).parents[2]


class StaleCapture:
    """As OpenCV 4.13 to 5.0 with interlaced pictures: success, and what the buffer held before."""

    def __init__(self, *arguments: Any) -> None:
        self.buffer = np.full((32, 32, 3), 40, np.uint8)
        self.buffer[:, :16] = 200

    def read(self) -> tuple[bool, Any]:
        return True, self.buffer.copy()

    def release(self) -> None:
        pass


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch) -> None:
    selftest.check_opencv.cache_clear()
    monkeypatch.setattr(cv2, "VideoCapture", StaleCapture)


def test_this_opencv_is_fit_or_named() -> None:
    """Holds with every release: 4.8 to 4.12 decode the two pictures, 4.13 to 5.0 are refused."""
    release = tuple(int(part) for part in cv2.__version__.split(".")[:2])
    if release < (4, 13):
        selftest.check_opencv()
    elif release <= (5, 0):
        with pytest.raises(NotInstalled, match=cv2.__version__):
            selftest.check_opencv()


def test_a_buffer_that_nothing_was_written_to_is_noticed(stale: None) -> None:
    """Though it holds what the first of the two pictures should be."""
    with pytest.raises(NotInstalled, match=f"OpenCV {cv2.__version__} gives wrong pictures") as e:
        selftest.check_opencv()
    assert e.value.exit_code == Exit.NOT_INSTALLED
    assert e.value.hint.startswith('pip install "opencv-')
    assert e.value.hint.endswith(f'{OPENCV_BOUND}"')


def test_no_file_is_scored_with_it(stale: None, samples: Path) -> None:
    """Videos end the run; pictures do not need OpenCV's decoders."""
    scanner = Scanner(ScanSettings(Recipe(detector="none")))
    with pytest.raises(NotInstalled):
        scanner.scan(MediaFile(samples / "pan.mp4", "pan.mp4"), print)
    assert not scanner.scan(MediaFile(samples / "face.png", "face.png"), lambda face: None).error


class Spoil:
    """Makes the OpenCV of the worker that unpickles it a bad one."""

    def __reduce__(self) -> tuple[Any, ...]:
        code = f"import {selftest.__name__} as s; s.check_opencv.cache_clear()"
        return exec, (f"{code}; s._decoded_right = lambda: False",)


def test_a_worker_says_so_and_the_run_ends(samples: Path) -> None:
    file = loaded(MediaFile(samples / "pan.mp4", "pan.mp4"), Spoil())
    settings = ScanSettings(Recipe(detector="none"))
    with (
        WorkerPool(settings, workers=1) as pool,
        pytest.raises(DfsubmitError, match="gives wrong pictures") as caught,
    ):
        list(pool.events([file]))
    assert caught.value.exit_code == Exit.NOT_INSTALLED


def test_setup_cfg_excludes_the_same_releases() -> None:
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    assert f"opencv-python>=4.8,{OPENCV_BOUND}" in setup["options"]["install_requires"].split()
