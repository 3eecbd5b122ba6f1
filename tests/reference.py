"""The pipeline once more, written as a notebook would: one file at a time, nothing shared.

Slow and naive on purpose. The real pipeline is held against it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from transformers import AutoModelForImageClassification, ViTImageProcessor


@dataclass
class Scored:
    """What the reference finds in one file."""

    boxes: list[tuple[int, int, int, int]] = field(default_factory=list)
    p_fake: float | None = None


class Reference:
    """The fixed pipeline for one model folder whose class 1 is fake."""

    def __init__(self, model: Path) -> None:
        self.processor = ViTImageProcessor.from_pretrained(str(model))
        self.model = AutoModelForImageClassification.from_pretrained(str(model)).eval()

    def score(self, path: Path, number: int) -> Scored:
        """The largest face of each of `number` sampled frames, and the mean of their softmax."""
        scored, crops = Scored(), []
        for frame in self.frames(path, number):
            box = largest_face(frame)
            if box is None:
                continue
            scored.boxes.append(box)
            left, top, right, bottom = box
            width, height = right - left, bottom - top
            crops.append(
                frame[
                    max(0, int(top - 0.4 * height)) : min(
                        frame.shape[0], int(bottom + 0.4 * height)
                    ),
                    max(0, int(left - 0.4 * width)) : min(frame.shape[1], int(right + 0.4 * width)),
                ]
            )
        if crops:
            faces: list[Any] = [Image.fromarray(crop) for crop in crops]
            pixels = self.processor(faces, return_tensors="pt")["pixel_values"]
            with torch.no_grad():
                logits = torch.cat([self.model(part).logits for part in pixels.split(8)])
            scored.p_fake = float(torch.softmax(logits, -1)[:, 1].mean())
        return scored

    def frames(self, path: Path, number: int) -> list[npt.NDArray[Any]]:
        """The sampled frames of a video, each reached by seeking; or the one picture."""
        picture = read_picture(path)
        if picture is not None:
            return [picture]
        capture = cv2.VideoCapture(str(path))
        total = 0
        while capture.grab():
            total += 1
        # Opened anew: OpenCV does not seek back into a video of one frame once it has ended.
        capture = cv2.VideoCapture(str(path))
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # off in OpenCV 4.11 alone
        frames = []
        for index in np.unique(np.linspace(0, total - 1, number, dtype=int)) if total else []:
            capture.set(cv2.CAP_PROP_POS_FRAMES, int(index))
            decoded, frame = capture.read()
            if decoded:
                frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        capture.release()
        return frames


_reference: Reference
_detector = dlib.get_frontal_face_detector()


def load_reference(model: Path) -> None:
    """Prepare a process for `score_by_reference`."""
    global _reference
    torch.set_num_threads(1)
    _reference = Reference(model)


def score_by_reference(path: Path, number: int) -> Scored:
    """`Reference.score`, for a pool of processes."""
    return _reference.score(path, number)


def read_picture(path: Path) -> npt.NDArray[Any] | None:
    """An upright RGB picture, or None for what Pillow does not read."""
    try:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith("I"):
                grey = np.asarray(picture).astype(np.float64) / 257
                return np.stack([np.rint(grey).astype(np.uint8)] * 3, axis=-1)
            return np.asarray(picture.convert("RGB"))
    except OSError:
        return None


def largest_face(frame: npt.NDArray[Any]) -> tuple[int, int, int, int] | None:
    """The largest face in frame coordinates, or None."""
    height, width = frame.shape[:2]
    scale = 1.0
    small = frame
    if width > 640:
        scale = 640 / width
        small = cv2.resize(frame, (640, int(height * scale)), interpolation=cv2.INTER_AREA)
    faces = _detector(small, 1)
    if not faces:
        return None
    face = max(faces, key=lambda rect: rect.width() * rect.height())
    edges = (face.left(), face.top(), face.right(), face.bottom())
    left, top, right, bottom = (int(edge / scale) for edge in edges)
    return left, top, right, bottom
