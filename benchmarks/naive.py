"""This project's recipe as a short notebook would write it: one process, one file at a time.

Seeks to each frame, builds the detector for each, uses transformers' processor as it comes, and
gives the model the faces of one file at a time.

    python -m benchmarks.naive MODEL FOLDER OUT.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
import torch
from PIL import Image, ImageOps
from transformers import AutoImageProcessor, AutoModelForImageClassification

FRAMES = 40
IMAGES = {".jpg", ".jpeg", ".png"}


def frames_of(path: Path, frames: int) -> list[Any]:
    """RGB frames, evenly spaced, each reached by seeking."""
    if path.suffix.lower() in IMAGES:
        with Image.open(path) as picture:
            return [np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))]
    capture = cv2.VideoCapture(str(path))
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    found = []
    for index in np.unique(np.linspace(0, total - 1, frames, dtype=int)) if total > 0 else []:
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(index))
        decoded, frame = capture.read()
        if decoded:
            found.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    capture.release()
    return found


def largest_face(frame: Any) -> tuple[int, int, int, int] | None:
    """The largest face in frame pixels."""
    height, width = frame.shape[:2]
    scale, small = 1.0, frame
    if width > 640:
        scale = 640 / width
        small = cv2.resize(frame, (640, int(height * scale)), interpolation=cv2.INTER_AREA)
    faces = dlib.get_frontal_face_detector()(small, 1)
    if not faces:
        return None
    face = max(faces, key=lambda box: box.width() * box.height())
    edges = (face.left(), face.top(), face.right(), face.bottom())
    left, top, right, bottom = (int(edge / scale) for edge in edges)
    return left, top, right, bottom


def cut(frame: Any, box: tuple[int, int, int, int]) -> Any:
    """The box and 0.4 of its size on each side."""
    left, top, right, bottom = box
    across, down = 0.4 * (right - left), 0.4 * (bottom - top)
    rows = slice(max(0, int(top - down)), min(frame.shape[0], int(bottom + down)))
    columns = slice(max(0, int(left - across)), min(frame.shape[1], int(right + across)))
    return frame[rows, columns]


class Judge:
    """A model folder with transformers' own processor."""

    def __init__(self, model: Path) -> None:
        self.processor = AutoImageProcessor.from_pretrained(str(model))
        self.network = AutoModelForImageClassification.from_pretrained(str(model)).eval()
        self.fake = {name.lower(): i for i, name in self.network.config.id2label.items()}["fake"]

    def p_fake(self, crops: list[Any]) -> float:
        """The mean of the faces' softmax."""
        pictures = [Image.fromarray(np.ascontiguousarray(crop)) for crop in crops]
        inputs = self.processor(images=pictures, return_tensors="pt")
        with torch.no_grad():
            logits = self.network(**inputs).logits
        return float(torch.softmax(logits, -1)[:, self.fake].mean())


def main(model: Path, folder: Path, out: Path) -> None:
    """Score a folder."""
    judge = Judge(model)
    results = {}
    for path in sorted(folder.iterdir()):
        boxes, crops = [], []
        for frame in frames_of(path, FRAMES):
            box = largest_face(frame)
            if box is not None:
                boxes.append(box)
                crops.append(cut(frame, box))
        results[path.name] = {"p_fake": judge.p_fake(crops) if crops else None, "boxes": boxes}
    out.write_text(json.dumps(results))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
