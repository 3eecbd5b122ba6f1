"""dlib's face detector beside the search from the last level on, on the same pictures.

    python -m benchmarks.detection FOLDER... [--pictures 1000] [--seed 0]

Random pictures and frames of all media below the folders, reduced as `dfsubmit` does it (to 640
pixels at most) and doubled once by the detector, are searched by both in turn, in one thread.
Prints how many largest faces are equal to the bit, with their scores, and the CPU time of each.
Exits with 1 if any differs.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from dfsubmit.faces.detection import FaceDetector
from dfsubmit.faces.hog import dlib_hog
from dfsubmit.libraries import load_dlib
from dfsubmit.recipe import Recipe
from dfsubmit.records import Detector, FoundFace, Pixels

SUFFIXES = {".jpg", ".jpeg", ".png", ".mp4", ".webp", ".bmp"}


def pictures(files: list[Path], seed: int) -> Iterator[Pixels]:
    """RGB uint8 (h, w, 3): of a random file a picture, or one random frame of a video, for ever."""
    draw = random.Random(seed)
    while True:
        video = cv2.VideoCapture(str(draw.choice(files)))
        video.set(cv2.CAP_PROP_POS_FRAMES, draw.randrange(max(int(video.get(7)), 1)))
        good, picture = video.read()
        if good and picture is not None:
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def plain() -> Detector:
    """dlib's own search of the whole pyramid."""
    detector = load_dlib().get_frontal_face_detector()

    def search(picture: Pixels, upsampling: int) -> list[FoundFace]:
        boxes, scores, _ = detector.run(picture, upsampling, 0.0)
        return [
            FoundFace((box.left(), box.top(), box.right(), box.bottom()), score)
            for box, score in zip(boxes, scores, strict=True)
        ]

    return search


def largest(faces: list[FoundFace]) -> FoundFace | None:
    """As dlib counts areas; of equal ones the first, with the higher score."""

    def size(face: FoundFace) -> float:
        left, top, right, bottom = face.box
        return (right - left + 1) * (bottom - top + 1)

    return max(faces, key=size, default=None)


def main() -> None:
    """Print a line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files = sorted(
        path
        for folder in options.folders
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
    )
    frames = FaceDetector(Recipe())
    detectors = [plain(), dlib_hog()]
    spent, equal, faces = [0.0, 0.0], 0, 0
    for number, picture in zip(
        range(options.pictures), pictures(files, options.seed), strict=False
    ):
        small, _ = frames.detection_image(picture)
        answers = []
        for which, detector in enumerate(detectors):
            started = time.thread_time()
            answers.append(largest(list(detector(small, frames.recipe.upsampling))))
            spent[which] += time.thread_time() - started
        equal += answers[0] == answers[1]
        faces += answers[0] is not None
        if answers[0] != answers[1]:
            print(f"picture {number}: {answers[0]}, here {answers[1]}", file=sys.stderr)
    first, second = (1000 * seconds / options.pictures for seconds in spent)
    print(
        f"{options.pictures} pictures, {faces} with faces, {equal} equal: "
        f"dlib {first:.1f} ms, here {second:.1f} ms, {first / second:.2f} times as fast"
    )
    sys.exit(equal != options.pictures)


if __name__ == "__main__":
    main()
