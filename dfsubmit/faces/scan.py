"""One file → its faces: the step after listing, run in a worker process.

In: a `MediaFile`. Out: its `Face`s through a callback, and a `FileScan` with the outcome. Problems
of a file become its status; its content never causes an exception here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from dfsubmit.errors import NotInstalled
from dfsubmit.faces.cropping import crop_face, points_in_crop
from dfsubmit.faces.detection import Detection, FaceDetector
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.faces.tracking import Tracker
from dfsubmit.media.frames import Frame, Unreadable, Video
from dfsubmit.media.images import read_image
from dfsubmit.media.listing import sniff
from dfsubmit.media.sampling import sample_indices, visiting_order
from dfsubmit.media.seeking import decode
from dfsubmit.recipe import Recipe
from dfsubmit.records import Detector, Face, FileScan, Kind, MediaFile, Status

Emit = Callable[[Face], None]
Proceed = Callable[[int], bool]
See = Callable[[Frame, Face | None], None]


class Scanner:
    """Scans files one after the other, with one detector for all.

    Args:
        settings: the settings for all files.
        detector: the recipe's detector; None if it is built in.
    """

    def __init__(self, settings: ScanSettings, detector: Detector | None = None) -> None:
        self.settings = settings
        self.detector = FaceDetector(settings.recipe, detector)

    def scan(
        self,
        file: MediaFile,
        emit: Emit,
        keep: int | None = None,
        proceed: Proceed | None = None,
        see: See | None = None,
    ) -> FileScan:
        """Scan one file.

        Args:
            file: what to scan.
            emit: receives every face.
            keep: visit at most this many of the recipe's frames, evenly spread.
            proceed: called before each frame of a video with the number of frames left;
                returns whether to continue. If given, frames are visited coarse to fine
                instead of in order.
            see: receives every visited frame, and the face found in it.

        Raises:
            NotInstalled: this machine's OpenCV decodes wrongly (see `media.selftest`).
        """
        scan = FileScan()
        try:
            scan.kind = sniff(file.path)
            if scan.kind is Kind.OTHER:
                scan.status, scan.error = Status.UNSUPPORTED, "neither an image nor a video"
                return scan
            visit = _Visit(self.settings, self.detector, scan, emit, see)
            if scan.kind is Kind.IMAGE:
                visit.image(file)
            else:
                visit.video(file, keep, proceed)
            _check_unchanged(file)
        except (Unreadable, OSError) as error:
            scan.status = Status.UNREADABLE
            scan.error = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        except NotInstalled:
            raise
        except Exception as error:
            scan.status, scan.error = Status.ERROR, f"{type(error).__name__}: {error}"
        return scan


class _Visit:
    """The visit to one file: the frames that were looked at, and the faces found in them."""

    def __init__(
        self,
        settings: ScanSettings,
        detector: FaceDetector,
        scan: FileScan,
        emit: Emit,
        see: See | None,
    ) -> None:
        self.settings = settings
        self.recipe = settings.recipe
        self.detector = detector
        self.scan = scan
        self.emit = emit
        self.see = see
        self.streaming = False  # else faces wait until their frames are known to be in the sample
        self.order: list[int] = []  # of the frames to visit, coarse to fine
        self.looked: dict[int, Face | None] = {}
        self.whole: dict[int, Face] = {}
        self.tracker: Tracker | None = None

    def image(self, file: MediaFile) -> None:
        """Look at the only frame.

        Raises:
            Unreadable, OSError: as `read_image`.
        """
        self.scan.frames_asked = 1
        with _timed(self.scan, "decode"):
            frame = read_image(file.path, self.settings.limits)
        self.scan.note = frame.note
        self.order = [frame.index]
        self._look(frame)
        self._finish()

    def video(self, file: MediaFile, keep: int | None, proceed: Proceed | None) -> None:
        """Visit the frames of the sample; the arguments are those of `Scanner.scan`.

        Raises:
            Unreadable: it is not a video, no frame decodes, or it exceeds the limits.
        """
        self.scan.frames_asked = min(self.recipe.frames, keep or self.recipe.frames)
        self.scan.thinned = self.scan.frames_asked < self.recipe.frames
        self.streaming = proceed is not None
        video = Video(file.path, self.settings.limits)
        for frame in self._frames(video, keep):
            left = len(self.order) - len(self.looked)
            if proceed is not None and not proceed(left):
                self.scan.frames_skipped = left
                break
            self._look(frame)
        self.scan.frames_lost = video.lost
        if video.lost:
            total = video.frames + video.lost
            self.scan.note = f"{video.lost} of {total} frames could not be decoded"
        self._finish()

    def _frames(self, video: Video, keep: int | None) -> Iterator[Frame]:
        """The frames of the sample, each when it is to be looked at.

        The container's frame count is used until the first pass has counted. If it was wrong, a
        second round visits the frames that were missed. For coarse to fine, a pass is finished
        before its frames are visited; frames beyond the byte budget take further passes.
        """
        believed = None
        while believed != video.frames:
            believed = video.frames
            self._plan(believed, keep)
            lot = len(self.order) or 1
            if self.streaming:
                lot = max(1, self.settings.limits.held_bytes // video.frame_bytes)
            for start in range(0, len(self.order) or 1, lot):
                part = self.order[start : start + lot]
                wanted = [index for index in part if index not in self.looked]
                frames = _timed_iterator(self.scan, decode(video, wanted))
                if self.streaming:
                    held = {frame.index: frame for frame in frames}
                    if video.frames != believed:
                        break
                    yield from (held.pop(index) for index in wanted if index in held)
                else:
                    yield from self.tracker.in_order(frames) if self.tracker else frames

    def _plan(self, decodable: int, keep: int | None) -> None:
        """Which frames to visit, `decodable` being how many decode.

        Another number takes back what tracking found by the first one's anchors.
        """
        sample = sample_indices(decodable, self.recipe.frames)
        if self.recipe.tracking == "anchored" and self.recipe.detector != "none":
            self.tracker = Tracker(self.detector, sample)
            self.looked.clear()
            self.whole.clear()
        self.order = visiting_order(sample, keep)

    def _look(self, frame: Frame) -> None:
        """Find a frame's face and cut it out."""
        with _timed(self.scan, "detect"):
            if self.tracker is not None:
                detection = self.tracker.largest(frame)
            else:
                detection = self.detector.largest(frame.pixels)
            face = self._cut(frame, detection, self.recipe) if detection else None
            if face is None and self.settings.no_face == "whole-frame":
                height, width = frame.pixels.shape[:2]
                everything = Detection((0, 0, width, height), 0.0)
                cut = self._cut(frame, everything, replace(self.recipe, detector="none"))
                if cut is not None:
                    self.whole[frame.index] = cut
        self.looked[frame.index] = face
        self.scan.frames_decoded = len(self.looked)
        if self.see is not None:
            self.see(frame, face)
        if face is not None and self.streaming:
            self.emit(face)

    def _cut(self, frame: Frame, detection: Detection, recipe: Recipe) -> Face | None:
        crop = crop_face(frame.pixels, detection.box, recipe, detection.landmarks)
        if crop is None:
            return None
        landmarks = None
        if detection.landmarks is not None:
            size = frame.pixels.shape[:2]
            landmarks = points_in_crop(detection.landmarks, size, detection.box, recipe)
        resize = self.settings.resize
        pixels = resize.resize(crop) if resize is not None else crop.copy()
        return Face(frame.index, frame.time, detection.box, detection.score, pixels, landmarks)

    def _finish(self) -> None:
        """Emit what has waited for the sample to be certain; settle counts and status."""
        seen = [index for index in sorted(self.order) if index in self.looked]
        faces = [face for index in seen if (face := self.looked[index]) is not None]
        self.scan.frames_decoded = len(seen)
        self.scan.frames_with_face = len(faces)
        if not seen:
            raise Unreadable("no frame of it decodes")
        if not faces and self.settings.no_face == "whole-frame":
            faces = [self.whole[index] for index in seen]
        elif not faces:
            self.scan.status, self.scan.error = Status.NO_FACE, "no face in any frame"
        elif self.streaming:
            return
        for face in faces:
            self.emit(face)


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
