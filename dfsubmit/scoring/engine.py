"""Faces of many files → full batches → each file's frame probabilities.

In: a `WorkerPool` and a classifier. Out: a `FileResult` for every finished file, with its frames;
`rows.RowMaker` sets the label. A thread reads the pool into a bounded queue, which blocks the
workers when the model is slower. The calling thread runs the model. Memory does not grow with the
number of files.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dfsubmit.hooks.execution import Scored, Waiting
from dfsubmit.records import (
    Face,
    Features,
    FileResult,
    FileScan,
    FloatArray,
    FrameRecord,
    MediaFile,
    Pixels,
    Status,
)
from dfsubmit.scoring.cascade import CROP_BYTES, Cascade
from dfsubmit.workers.events import Event, FaceEvent, RetryEvent, Visit, WaitEvent
from dfsubmit.workers.pool import WorkerPool

POLL_SECONDS = 0.2
QUEUED_BATCHES = 3


@dataclass
class _InHand:
    """A file that is being scanned or classified.

    Attributes:
        file: which one.
        frames: its classified frames, in order of arrival.
        unclassified: the number of its faces that wait in the batch.
        classify_seconds: its share of the model's time.
        left: the number of frames not visited yet, if its worker waits for a grant.
        scan: the outcome of its scan; None until it is finished.
        features: float64 (width,), the sum over `frames`; None if features are not kept.
        faces: its faces, if they may be scored a second time.
    """

    file: MediaFile
    frames: list[FrameRecord] = field(default_factory=list)
    unclassified: int = 0
    classify_seconds: float = 0.0
    left: int | None = None
    scan: FileScan | None = None
    features: FloatArray | None = None
    faces: list[Face] = field(default_factory=list)

    def result(self, scan: FileScan) -> FileResult:
        """The file's result, without its label."""
        # Faces from a worker that died part-way are not used.
        scored = self.frames if scan.status is Status.OK else []
        return FileResult(
            **{
                **vars(scan),
                "filename": self.file.name,
                "frames": sorted(scored, key=lambda frame: frame.index),
                "seconds": {**scan.seconds, "classify": self.classify_seconds},
                "features": self._mean_features() if scored else None,
            }
        )

    def _mean_features(self) -> npt.NDArray[np.float16] | None:
        if self.features is None:
            return None
        # Larger values would become infinite in float16, and could not be compared.
        largest = float(np.finfo(np.float16).max)
        return np.clip(self.features / len(self.frames), -largest, largest).astype(np.float16)


class Engine:
    """Runs the files of one pool through one classifier.

    Args:
        pool: open.
        score: faces (n, height, width, 3) → probabilities (n,), and features (n, width) or None;
            `Classifier.score`.
        batch_size: the maximum number of faces per call.
        visit: returns how much of a file to visit; called just before it is scanned, in another
            thread.
        grant: returns how many further frames to visit of a file whose worker waits, given its
            classified frames and the number of frames not visited; 0 ends the file.
        should_stop: called between batches; True leaves the remaining files unscored.
        waiting: updated while the engine runs.
        cascade: takes finished files that need a second precision; None for a single one.

    Attributes:
        frames: the number of frames with a face so far.
    """

    def __init__(
        self,
        pool: WorkerPool,
        score: Callable[[Pixels], tuple[FloatArray, Features | None]],
        batch_size: int,
        visit: Callable[[MediaFile], Visit],
        grant: Callable[[list[FrameRecord], int], int],
        should_stop: Callable[[], bool],
        waiting: Waiting,
        cascade: Cascade | None = None,
    ) -> None:
        self.pool = pool
        self.score = score
        self.batch_size = batch_size
        self.visit = visit
        self.grant = grant
        self.should_stop = should_stop
        self.waiting = waiting
        self.cascade = cascade
        self.frames = 0
        self._queue: queue.Queue[Event | BaseException | None] = queue.Queue(
            QUEUED_BATCHES * batch_size
        )
        self._batch: list[tuple[MediaFile, Face]] = []
        self._files: dict[str, _InHand] = {}

    def run(self, files: Iterable[MediaFile]) -> Scored:
        """Score the files; yields each with its result as it is finished.

        When all are finished, the pool can be used again; otherwise it is stopped.

        Raises:
            DfsubmitError: workers cannot start, or the model fails.
        """
        feeder = threading.Thread(target=self._feed, args=(files,), daemon=True)
        feeder.start()
        whole = False
        try:
            while not self.should_stop():
                try:
                    event = self._get()
                except queue.Empty:
                    # A partial batch waits for more faces, unless files wait for its result.
                    if any(item.left is not None for item in self._files.values()):
                        self._classify()
                        self._grant()
                    yield from self._second(everything=True)
                    continue
                if isinstance(event, BaseException):
                    raise event
                if event is not None:
                    self._take(event)
                if event is None or len(self._batch) >= self.batch_size:
                    self._classify()
                self._grant()
                yield from self._finished()
                yield from self._second(everything=event is None)
                if event is None:
                    whole = True
                    return
            if self.cascade is not None:
                yield from self.cascade.left()
        finally:
            if not whole:
                self.pool.stop()
            self._drain(feeder)

    def in_hand(self) -> dict[str, int]:
        """The files in progress, and the number of frames of each so far; callable from any
        thread."""
        counts = dict.fromkeys(self.pool.in_hand(), 0)
        items = list(self._files.items())
        return counts | {name: len(item.frames) + item.unclassified for name, item in items}

    def _feed(self, files: Iterable[MediaFile]) -> None:
        """The feeder thread: pool → queue, and None at the end."""
        try:
            for event in self.pool.events(files, self.visit):
                start = time.perf_counter()
                self._queue.put(event)
                self.waiting.workers += time.perf_counter() - start
        except BaseException as error:  # it belongs to the thread that runs the model
            self._queue.put(error)
        else:
            self._queue.put(None)

    def _drain(self, feeder: threading.Thread) -> None:
        """Empty the queue until the feeder, which may be blocked on a full queue, has ended."""
        while feeder.is_alive():
            with contextlib.suppress(queue.Empty):
                self._queue.get(timeout=0.02)

    def _get(self) -> Event | BaseException | None:
        start = time.perf_counter()
        try:
            return self._queue.get(timeout=POLL_SECONDS)
        finally:
            self.waiting.model += time.perf_counter() - start

    def _take(self, event: Event) -> None:
        if isinstance(event, RetryEvent):
            self._files.pop(event.file.name, None)
            self._batch = [(file, face) for file, face in self._batch if file != event.file]
            return
        item = self._files.setdefault(event.file.name, _InHand(event.file))
        if isinstance(event, FaceEvent):
            self._batch.append((event.file, event.face))
            if self.cascade is not None and self._held() + event.face.crop.nbytes <= CROP_BYTES:
                item.faces.append(event.face)
            item.unclassified += 1
            self.frames += 1
        elif isinstance(event, WaitEvent):
            item.left = event.left
        else:
            item.scan = event.scan

    def _classify(self) -> None:
        """One forward pass over the batch."""
        if not self._batch:
            return
        batch, self._batch = self._batch, []
        start = time.perf_counter()
        scores, features = self.score(np.stack([face.crop for _, face in batch]))
        seconds = time.perf_counter() - start
        self.waiting.classify += seconds
        if self.cascade is not None:
            self.cascade.quick_time.add(seconds, len(batch))
        for row, ((file, face), p_fake) in enumerate(zip(batch, scores, strict=True)):
            item = self._files[file.name]
            item.unclassified -= 1
            item.classify_seconds += seconds / len(batch)
            item.frames.append(
                FrameRecord(face.index, face.time, face.box, face.detection, float(p_fake))
            )
            if features is not None:
                seen = features[row].astype(np.float64)
                item.features = seen if item.features is None else item.features + seen

    def _grant(self) -> None:
        """Grant frames to files whose workers wait and whose faces are all classified."""
        for item in self._files.values():
            if item.left is not None and not item.unclassified:
                left, item.left = item.left, None
                self.pool.grant(item.file, self.grant(item.frames, left))

    def _finished(self) -> Scored:
        """The files whose scan is over and whose faces are all classified."""
        for name, item in list(self._files.items()):
            if item.scan is not None and not item.unclassified:
                del self._files[name]
                result = item.result(item.scan)
                if self.cascade is None or not self.cascade.take(item.file, result, item.faces):
                    yield item.file, result

    def _second(self, everything: bool) -> Scored:
        """The files that were scored in the second precision."""
        if self.cascade is not None:
            yield from self.cascade.scored(everything)

    def _held(self) -> int:
        """The bytes of the faces that are kept."""
        return sum(face.crop.nbytes for item in self._files.values() for face in item.faces)
