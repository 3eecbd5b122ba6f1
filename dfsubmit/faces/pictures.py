"""Pictures of a file for the report: its faces and one whole frame, reduced.

In: the frames and faces of a scan (`PictureTaker`, in a worker). Out: a zip of WebP pictures per
file, which `read_pictures` reads. Pictures are written per file, so that a run's memory does not
grow, and a resumed run finds those that were taken before.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dfsubmit.errors import DfsubmitError
from dfsubmit.files import write_atomically
from dfsubmit.libraries import load_cv2
from dfsubmit.options import picture_file
from dfsubmit.records import Box, Face, Pixels

if TYPE_CHECKING:  # removing and reading pictures needs no OpenCV
    from dfsubmit.media.frames import Frame

CROP_SIDE, FRAME_SIDE = 96, 320
"""The longer side of a face's picture and of a whole frame's, in pixels."""
QUALITY = 72
"""WebP's, from 1 to 100."""
_CONTENT = "pictures.json"
_NO_PIXELS = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        index: the frame's number in its file.
        time: seconds from the start of the file.
        box: the face's box in frame pixels; None if no face was found.
        detection: the detector's confidence; 0.0 where no face was found.
        size: of the whole frame, (width, height) in pixels.
        data: the picture as WebP.
    """

    index: int
    time: float
    box: Box | None
    detection: float
    size: tuple[int, int]
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Pictures:
    """The pictures of one file.

    Attributes:
        crops: the model's input of each scored frame, reduced to `CROP_SIDE`, in order of time.
        frame: the whole frame with the highest detection score, or the first frame if there is no
            face; None if no frame decodes.
        thumbnail: the same, reduced to `CROP_SIDE`; empty if there is none.
    """

    crops: tuple[Picture, ...]
    frame: Picture | None
    thumbnail: bytes = field(default=b"", repr=False)


class PictureTaker:
    """Takes the pictures of one file while it is scanned.

    A picture that cannot be made is left out, because scores must not depend on pictures.
    """

    def __init__(self) -> None:
        self._crops: list[tuple[Face, bytes]] = []
        self._frame: Picture | None = None
        self._thumbnail = b""
        self._best: Face | None = None

    def see(self, frame: Frame, face: Face | None) -> None:
        """Receive a whole frame, and the face that was found in it."""
        sure = face is not None and (self._best is None or face.detection > self._best.detection)
        if self._frame is None or sure:
            height, width = frame.pixels.shape[:2]
            with contextlib.suppress(Exception):
                whole = Picture(
                    frame.index,
                    frame.time,
                    face.box if face else None,
                    face.detection if face else 0.0,
                    (width, height),
                    encode(frame.pixels, FRAME_SIDE),
                )
                self._thumbnail = encode(frame.pixels, CROP_SIDE)
                self._frame, self._best = whole, face

    def take(self, face: Face) -> None:
        """Take the picture of a face as the model receives it."""
        with contextlib.suppress(Exception):
            # Of the face's crop, which is large, nothing is kept.
            self._crops.append((replace(face, crop=_NO_PIXELS), encode(face.crop, CROP_SIDE)))

    def pictures(self) -> Pictures:
        """All that was taken."""
        if self._frame is None:
            return Pictures((), None)
        size = self._frame.size
        crops = sorted(self._crops, key=lambda item: item[0].index)
        return Pictures(
            tuple(Picture(f.index, f.time, f.box, f.detection, size, data) for f, data in crops),
            self._frame,
            self._thumbnail,
        )

    def write(self, folder: str | os.PathLike[str], name: str) -> None:
        """Write the pictures of the file of that name into a folder, which is created.

        Raises:
            OSError: it cannot be written.
        """
        os.makedirs(folder, exist_ok=True)
        write_pictures(picture_file(folder, name), self.pictures())


def write_pictures(path: Path, pictures: Pictures) -> None:
    """Write a file's pictures, atomically.

    Raises:
        OSError: it cannot be written.
    """
    stream = io.BytesIO()
    content: dict[str, Any] = {"frame": None, "crops": []}
    with zipfile.ZipFile(stream, "w") as archive:
        if pictures.frame is not None:
            content["frame"] = _told(pictures.frame)
            archive.writestr("frame.webp", pictures.frame.data)
            archive.writestr("thumbnail.webp", pictures.thumbnail)
        for picture in pictures.crops:
            content["crops"].append(_told(picture))
            archive.writestr(_crop_name(picture.index), picture.data)
        archive.writestr(_CONTENT, json.dumps(content))
    write_atomically(path, stream.getvalue())


def read_pictures(folder: str | os.PathLike[str], name: str) -> Pictures | None:
    """The pictures of the media file of that name; None if there are no readable ones."""
    try:
        with zipfile.ZipFile(picture_file(folder, name)) as archive:
            content = json.loads(archive.read(_CONTENT))
            frame = content["frame"]
            return Pictures(
                tuple(
                    _picture(item, archive.read(_crop_name(item["index"])))
                    for item in content["crops"]
                ),
                _picture(frame, archive.read("frame.webp")) if frame else None,
                archive.read("thumbnail.webp") if frame else b"",
            )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def keep_pictures(folder: Path, names: Collection[str]) -> None:
    """Remove the pictures of all files other than these, left by an earlier run, and the folder if
    it is empty then."""
    kept = {picture_file(folder, name).name for name in names}
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.name not in kept and entry.name.endswith((".zip", ".part")):
                os.unlink(entry.path)
        folder.rmdir()  # refused while anything is left in it


def encode(pixels: Pixels, side: int) -> bytes:
    """RGB uint8 (h, w, 3) as WebP, reduced to at most `side` pixels where it is longer.

    Raises:
        DfsubmitError: this OpenCV cannot write WebP.
    """
    cv2 = load_cv2()
    height, width = pixels.shape[:2]
    share = side / max(height, width)
    if share < 1:
        size = (max(1, round(width * share)), max(1, round(height * share)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not done:
        raise DfsubmitError("this OpenCV writes no WebP pictures", 'pip install "opencv-python"')
    return bytes(data)


def _crop_name(index: int) -> str:
    return f"crop-{int(index):06d}.webp"


def _told(picture: Picture) -> dict[str, Any]:
    return {
        "index": picture.index,
        "time": picture.time,
        "box": picture.box,
        "detection": picture.detection,
        "size": picture.size,
    }


def _picture(told: dict[str, Any], data: bytes) -> Picture:
    box = told["box"]
    width, height = told["size"]
    return Picture(
        int(told["index"]),
        float(told["time"]),
        None if box is None else (int(box[0]), int(box[1]), int(box[2]), int(box[3])),
        float(told["detection"]),
        (int(width), int(height)),
        data,
    )
