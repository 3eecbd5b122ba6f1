"""The journal of an extraction: the finished files, one per line, for resuming.

The first line says how the crops were cut; each further line has the outcome of a file (`Entry`).
If a line is damaged, its file has changed, or its crops are missing, the file is extracted again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import Any

from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.extraction.landmarks import read_landmarks
from dfsubmit.files import append_json_line, json_line, read_json_lines, write_atomically
from dfsubmit.records import Box, MediaFile, Status

JOURNAL = "extracted.jsonl"
CROPS = "crops"


@dataclass(frozen=True)
class CutFace:
    """One face of a file.

    Attributes:
        frame: the frame's number.
        time: seconds from the video's start.
        box: the detector's box in frame pixels.
        crop: the crop's file, relative to the extraction's folder, with slashes.
        landmarks: as `landmarks` writes them; empty if the detector gives none.
    """

    frame: int
    time: float
    box: Box
    crop: str
    landmarks: str = ""

    def to_json(self) -> list[Any]:
        """What `_face` reads."""
        line: list[Any] = [self.frame, self.time, list(self.box), self.crop]
        return [*line, self.landmarks] if self.landmarks else line


@dataclass(frozen=True)
class Entry:
    """The outcome of a file.

    Attributes:
        name: of the source.
        size, mtime_ns: of the file when it was scanned.
        status: of the scan.
        error: the reason if it failed.
        faces: in the order of their frames.
    """

    name: str
    size: int
    mtime_ns: int
    status: Status
    error: str
    faces: tuple[CutFace, ...]

    def to_json(self) -> dict[str, Any]:
        """The line's object."""
        return {
            "name": self.name,
            "size": self.size,
            "mtime_ns": self.mtime_ns,
            "status": self.status.value,
            "error": self.error,
            "faces": [face.to_json() for face in self.faces],
        }

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Entry:
        """From a line's object.

        Raises:
            ValueError: it is not what `to_json` gives.
        """
        match line:
            case {
                "name": str(name),
                "size": int(size),
                "mtime_ns": int(mtime_ns),
                "status": str(status),
                "error": str(error),
                "faces": list(faces),
            } if len(line) == 6:
                cut = tuple(_face(name, face) for face in faces)
            case _:
                raise ValueError("not a file's line")
        frames = [face.frame for face in cut]
        if frames != sorted(set(frames)) or (Status(status) is Status.OK) != bool(cut):
            raise ValueError("its faces are not in order")
        return cls(name, size, mtime_ns, Status(status), error, cut)

    def holds(self, file: MediaFile, folder: Path) -> bool:
        """Whether the file is unchanged and its crops exist."""
        return (self.size, self.mtime_ns) == (file.size, file.mtime_ns) and all(
            crop_is_there(folder, face.crop) for face in self.faces
        )


def crop_path(name: str, frame: int) -> str:
    """The path of a face's crop, relative to the extraction's folder."""
    # The whole path of the video, suffix included, so that no two videos share a folder.
    parts = [part for part in Path(name).parts if part not in ("..", "/")]
    return PurePosixPath(CROPS, *parts, f"{frame:06d}.png").as_posix()


def crop_is_there(folder: Path, crop: str) -> bool:
    """Whether a crop's file exists and is not empty."""
    try:
        path = folder / crop
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False


def resume(
    path: Path, header: Mapping[str, Any], files: Mapping[str, MediaFile]
) -> tuple[dict[str, Entry], int]:
    """Read the valid entries of an interrupted extraction, and rewrite the journal with only these.

    Args:
        path: the journal; it may be missing.
        header: how the crops are cut.
        files: the files to extract, by name.

    Returns:
        The valid entries by name, and the number of lines that are damaged or whose crops are
        missing.

    Raises:
        UsageError: the folder's crops were cut with other or unknown settings, or the journal
            cannot be read or written.
    """
    try:
        lines = [line for _, line in read_json_lines(path)] if path.exists() else []
        if lines and lines[0] != header:
            raise refusal(path, lines[0], header)
        entries: dict[str, Entry] = {}
        lost: set[object] = set()
        for number, line in enumerate(lines[1:-1] if lines and lines[-1] is None else lines[1:]):
            try:
                entry = Entry.from_json(line or {})
            except ValueError:
                lost.add(number)
                continue
            file = files.get(entry.name)
            if file is None:
                continue
            entries.pop(entry.name, None)  # the last entry of a file is used
            lost.discard(entry.name)
            if entry.holds(file, path.parent):
                entries[entry.name] = entry
            elif (entry.size, entry.mtime_ns) == (file.size, file.mtime_ns):
                lost.add(entry.name)
        taken_over = (entry.to_json() for entry in entries.values())
        write_atomically(path, "".join(json_line(line) for line in (header, *taken_over)))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    return entries, len(lost)


def note(journal: FileIO, entry: Entry) -> None:
    """Add a finished file.

    Raises:
        DfsubmitError: it cannot be written.
    """
    try:
        append_json_line(journal, entry.to_json())
    except OSError as error:
        raise DfsubmitError(f"{journal.name}: {error.strerror or error}") from error


def refusal(path: Path, found: object, header: Mapping[str, Any]) -> UsageError:
    """Why a journal that begins otherwise than `header` does not fit."""
    hint = "use another folder, or remove this one"
    if not isinstance(found, dict) or "recipe" not in found:
        return UsageError(
            f"{path}, line 1: damaged, so it is unknown how the crops were made", hint
        )
    other = sorted(key for key in {*found, *header} if found.get(key) != header.get(key))
    return UsageError(
        f"{path.parent} holds crops that were cut in another way (another {', '.join(other)})", hint
    )


def _face(name: str, face: object) -> CutFace:
    match face:
        case [
            int(frame),
            int(time) | float(time),
            [int(), int(), int(), int()] as box,
            str(crop),
            *landmarks,
        ]:
            if frame >= 0 and math.isfinite(time) and time >= 0 and crop == crop_path(name, frame):
                left, top, right, bottom = box
                return CutFace(frame, time, (left, top, right, bottom), crop, _text(landmarks))
    raise ValueError("not a face")


def _text(landmarks: list[object]) -> str:
    match landmarks:
        case []:
            return ""
        case [str(text)] if read_landmarks(text) is not None:
            return text
    raise ValueError("not landmarks")


def missing_crops(folder: Path, entries: Iterable[Entry]) -> set[str]:
    """The crops of entries that are not there."""
    return {
        face.crop
        for entry in entries
        for face in entry.faces
        if not crop_is_there(folder, face.crop)
    }
