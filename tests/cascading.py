"""A noisy model and files to score with it, for the tests of ``--precision cascade``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dfsubmit.recipe import Recipe

PICTURES, CLIPS = 400, 12
WHOLE = Recipe(name="whole", detector="none", margin=0.0, frames=40)

# The logit of a face is its brightness, from -2 to 2. In int8 an error is added that depends on the
# face: small, but in blueish faces; and one that grows with its red, which all frames of a clip
# share.
PLUGIN = """
import os
import time
import zlib

import numpy as np

from dfsubmit.hooks import hookimpl, load_preprocessor

DFSUBMIT_HOOKS = 1


class Model:
    device = "cpu"

    def __init__(self, request):
        self.id2label, self.preprocessor = request.id2label, load_preprocessor(request.folder)
        self.precision = request.precision
        self.calls = 0

    def logits(self, pixels):
        self.calls += 1
        if self.precision == "int8" and self.calls > int(os.environ.get("TEST_CALLS", 10**9)):
            raise RuntimeError("the machine burns")
        z = (pixels[:, :, :, 1].astype(float).mean(axis=(1, 2)) - 127.5) / 127.5 * 2
        if self.precision == "int8":
            numbers = [zlib.crc32(face.tobytes()) / 2**32 for face in pixels]
            blue = pixels[:, :, :, 2].mean(axis=(1, 2)) > 200
            time.sleep(float(os.environ.get("TEST_SECONDS", 0)))
            z += 0.6 * pixels[:, :, :, 0].mean(axis=(1, 2)) / 255
            z += (np.array(numbers) - 0.5) * np.where(blue, 2.0, 0.4)
        return np.stack([np.zeros(len(z)), z], axis=1).astype(np.float32)


class Loader:
    def rank(self, request):
        return 99

    def load(self, request):
        return Model(request)


class Fp32Only(Loader):
    def load(self, request):
        model = Model(request)
        model.precision = "fp32"
        return model


def doubtful(scores):
    # Not declared monotone.
    return float(np.median(scores.p_fake))


@hookimpl
def register_model_loaders(register):
    register("noisy", Loader())


@hookimpl
def register_aggregators(register):
    register("undeclared", doubtful)


class Elsewhere:
    def scorer(self, job):
        return object()


@hookimpl
def register_executors(register):
    register("elsewhere", Elsewhere)
"""


def picture(
    brightness: int, blue: int, chance: np.random.Generator, red: int = 0
) -> np.ndarray[Any, Any]:
    face = np.zeros((24, 24, 3), np.uint8)
    face[:, :, 0], face[:, :, 2] = blue, red
    face[:, :, 1] = np.clip(brightness + chance.integers(-20, 21, (24, 24)), 0, 255)
    return face


def write_pictures(folder: Path) -> None:
    folder.mkdir()
    chance = np.random.default_rng(0)
    for number in range(PICTURES):
        blue = 255 if number % 40 == 7 else 0
        face = picture(int(chance.integers(0, 256)), blue, chance)
        cv2.imwrite(str(folder / f"{number:03}.png"), face)


def write_clips(folder: Path) -> None:
    folder.mkdir()
    chance = np.random.default_rng(1)
    for number in range(CLIPS):
        path = str(folder / f"{number:02}.avi")
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 10, (24, 24))
        brightness = 60 + 12 * number
        for _ in range(50):
            writer.write(picture(brightness, 0, chance, red=number * 37 % 256))
        writer.release()
