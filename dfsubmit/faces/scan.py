"""One file → its faces: listing's next step, run in a worker process.

In: a `MediaFile`. Out: its `Face`s through a callback, and a `FileScan` that says how it went. What
is wrong with a file becomes its status; nothing that a file contains raises here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dfsubmit.faces.cropping import crop_face
from dfsubmit.faces.detection import Detection, FaceDetector
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.faces.tracking import Tracker
from dfsubmit.media.frames import Frame, Unreadable, Video, read_image
from dfsubmit.media.listing import sniff
from dfsubmit.media.sampling import sample_indices, visiting_order
from dfsubmit.media.seeking import Misplaced, decode_by_seeking, worth_seeking
from dfsubmit.recipe import Recipe
from dfsubmit.records import Face, FileScan, Kind, MediaFile, Status

Emit = Callable[[Face], None]
Proceed = Callable[[int], bool]


class Scanner:
    """Scans files one after the other; its detector lives as long as it does."""

    def __init__(self, settings: ScanSettings) -> None:
        self.settings = settings
        self.recipe = settings.recipe
        self.detector = FaceDetector(settings.recipe)

    def scan(
        self,
        file: MediaFile,
        emit: Emit,
        keep: int | None = None,
        proceed: Proceed | None = None,
    ) -> FileScan:
        """Scan one file.

        Args:
            file: what to scan.
            emit: receives every face.
            keep: visit at most this many of the recipe's frames, evenly spread.
            proceed: asked before each frame of a video, with the number of frames left,
                whether they are still wanted. With it, frames are visited coarse to fine
                instead of front to back.
        """
        scan = FileScan()
        try:
            scan.kind = sniff(file.path)
            if scan.kind is Kind.OTHER:
                scan.status, scan.error = Status.UNSUPPORTED, "neither an image nor a video"
                return scan
            visit = _Visit(self, scan, emit)
            if scan.kind is Kind.IMAGE:
                scan.frames_asked = 1
                with _timed(scan, "decode"):
                    frame = read_image(file.path, self.settings.limits)
                visit.look(frame)
                visit.finish([frame.index])
            else:
                scan.frames_asked = min(self.recipe.frames, keep or self.recipe.frames)
                scan.thinned = scan.frames_asked < self.recipe.frames
                if proceed is None:
                    self._front_to_back(file.path, visit, keep)
                else:
                    self._coarse_to_fine(file.path, visit, keep, proceed)
            _check_unchanged(file)
        except (Unreadable, OSError) as error:
            scan.status = Status.UNREADABLE
            scan.error = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        except Exception as error:
            scan.status, scan.error = Status.ERROR, f"{type(error).__name__}: {error}"
        return scan

    def _front_to_back(self, path: Path, visit: _Visit, keep: int | None) -> None:
        """One pass. The container's frame count is believed at first and checked at the end,
        where a lie costs a second pass for the frames that it made us miss."""
        video = Video(path, self.settings.limits)
        decodable = video.claimed_frames or self._count(video, visit.scan)
        wanted = visit.plan(decodable, keep)

        def note(frames: int) -> None:
            nonlocal decodable
            decodable = frames

        try:
            for frame in visit.in_order(self._quickest(video, visit.scan, wanted, note)):
                visit.look(frame)
        except Misplaced:
            visit.forget()
            for frame in visit.in_order(_timed_iterator(visit.scan, video.decode(wanted, note))):
                visit.look(frame)
        wanted = visit.plan(decodable, keep)
        missed = [index for index in wanted if index not in visit.looked]
        if missed:
            for frame in visit.in_order(_timed_iterator(visit.scan, video.decode(missed))):
                visit.look(frame)
        visit.finish(sorted(wanted))

    def _coarse_to_fine(
        self, path: Path, visit: _Visit, keep: int | None, proceed: Proceed
    ) -> None:
        """Frames are held, as many as the byte budget allows, and visited out of order; what the
        budget does not hold takes further passes, as does a lie about the number of frames."""
        video = Video(path, self.settings.limits)
        visit.streaming = True
        hold = max(1, self.settings.limits.held_bytes // video.frame_bytes)
        decodable = 0

        def note(frames: int) -> None:
            nonlocal decodable
            decodable = frames

        believed = visit.plan(video.claimed_frames, keep)
        held = self._hold(video, visit.scan, believed[:hold], note)
        order = visit.plan(decodable, keep)
        for start in range(0, len(order), hold):
            chunk = order[start : start + hold]
            if start or order != believed:
                held = self._hold(video, visit.scan, chunk)
            for index in chunk:
                if index not in held:
                    continue
                if not proceed(len(order) - visit.scan.frames_decoded):
                    visit.scan.frames_skipped = len(order) - visit.scan.frames_decoded
                    visit.finish(sorted(visit.looked))
                    return
                visit.look(held.pop(index))
        visit.finish(sorted(order))

    def _hold(
        self,
        video: Video,
        scan: FileScan,
        wanted: list[int],
        on_end: Callable[[int], None] | None = None,
    ) -> dict[int, Frame]:
        try:
            frames = self._quickest(video, scan, wanted, on_end)
            return {frame.index: frame for frame in frames}
        except Misplaced:
            frames = _timed_iterator(scan, video.decode(wanted, on_end))
            return {frame.index: frame for frame in frames}

    def _quickest(
        self,
        video: Video,
        scan: FileScan,
        wanted: list[int],
        on_end: Callable[[int], None] | None,
    ) -> Iterator[Frame]:
        """The wanted frames in order, by seeking where they lie far apart."""
        decode = decode_by_seeking if worth_seeking(video, wanted) else Video.decode
        return _timed_iterator(scan, decode(video, wanted, on_end))

    def _count(self, video: Video, scan: FileScan) -> int:
        with _timed(scan, "decode"):
            return video.count()


class _Visit:
    """The frames of one file that were looked at, and the faces found in them.

    Faces wait here until it is certain that their frames belong to the sample, unless `streaming`.
    """

    def __init__(self, scanner: Scanner, scan: FileScan, emit: Emit) -> None:
        self.scanner = scanner
        self.scan = scan
        self.emit = emit
        self.streaming = False
        self.looked: dict[int, Face | None] = {}
        self.whole: dict[int, Face] = {}
        self.sample: list[int] = []
        self.tracker: Tracker | None = None

    def plan(self, decodable: int, keep: int | None) -> list[int]:
        """The frames of a video to visit, coarse to fine; `decodable` is how many decode.

        A second call with another number takes back what tracking found by the first one's anchors.
        """
        sample = sample_indices(decodable, self.scanner.recipe.frames)
        before, self.sample = self.sample, sample
        if self._tracks() and sample != before:
            self.forget()
        return visiting_order(sample, keep)

    def forget(self) -> None:
        """Take back all that was found."""
        self.looked.clear()
        self.whole.clear()
        if self._tracks():
            self.tracker = Tracker(self.scanner.detector, self.sample)

    def _tracks(self) -> bool:
        recipe = self.scanner.recipe
        return recipe.tracking == "anchored" and recipe.detector != "none"

    def in_order(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The frames in the order in which to look at them."""
        return self.tracker.in_order(frames) if self.tracker else frames

    def look(self, frame: Frame) -> None:
        """Find a frame's face and cut it out."""
        settings = self.scanner.settings
        with _timed(self.scan, "detect"):
            detection = self._search(frame)
            face = self._cut(frame, detection, settings.recipe) if detection else None
            if settings.no_face == "whole-frame" and face is None:
                height, width = frame.pixels.shape[:2]
                everything = Detection((0, 0, width, height), 0.0)
                whole_frame = replace(settings.recipe, detector="none")
                cut = self._cut(frame, everything, whole_frame)
                if cut is not None:
                    self.whole[frame.index] = cut
        self.looked[frame.index] = face
        self.scan.frames_decoded = len(self.looked)
        if face is not None and self.streaming:
            self.emit(face)

    def finish(self, sample: list[int]) -> None:
        """Emit the faces of the frames in the sample and settle counts and status."""
        seen = [index for index in sample if index in self.looked]
        faces = [face for index in seen if (face := self.looked[index]) is not None]
        self.scan.frames_decoded = len(seen)
        self.scan.frames_with_face = len(faces)
        if not seen:
            raise Unreadable("no frame of it decodes")
        if not faces and self.scanner.settings.no_face == "whole-frame":
            for index in seen:
                self.emit(self.whole[index])
        elif not faces:
            self.scan.status, self.scan.error = Status.NO_FACE, "no face in any frame"
        elif not self.streaming:
            for face in faces:
                self.emit(face)

    def _search(self, frame: Frame) -> Detection | None:
        if self.tracker is not None:
            return self.tracker.largest(frame)
        return self.scanner.detector.largest(frame.pixels)

    def _cut(self, frame: Frame, detection: Detection, recipe: Recipe) -> Face | None:
        crop = crop_face(frame.pixels, detection.box, recipe)
        if crop is None:
            return None
        resize = self.scanner.settings.resize
        pixels = resize.resize(crop) if resize is not None else crop.copy()
        return Face(frame.index, frame.time, detection.box, detection.score, pixels)


def _check_unchanged(file: MediaFile) -> None:
    """A file replaced while it was read gave frames of two files.

    Raises:
        OSError: it changed, or has gone.
    """
    info = file.path.stat()
    if file.size >= 0 and (info.st_size, info.st_mtime_ns) != (file.size, file.mtime_ns):
        raise OSError("the file changed while the run was going on")


@contextmanager
def _timed(scan: FileScan, stage: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        scan.seconds[stage] += time.perf_counter() - start


def _timed_iterator(scan: FileScan, frames: Iterator[Frame]) -> Iterator[Frame]:
    """The frames, the time taken to make each counted as decoding."""
    while True:
        with _timed(scan, "decode"):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame
