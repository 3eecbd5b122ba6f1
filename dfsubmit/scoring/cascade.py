"""``--precision cascade``: every file in a quick precision, doubtful ones again in fp32.

In: files with their results in the quick precision and their crops. Out: the same results, with
fp32's probabilities for three kinds of files: those near the threshold, those from which the
margin is learned, and a random share that checks it. `Margin` says what "near" is. A file near the
threshold is scored in fp32 frame by frame, in a random order, until its label is certain; the
others of its frames are then estimated.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dfsubmit.hooks.execution import Waiting
from dfsubmit.records import (
    Face,
    FileResult,
    FloatArray,
    MediaFile,
    Pixels,
    Status,
    frame_scores,
)
from dfsubmit.scoring.correction import corrected, sampling_order
from dfsubmit.scoring.margin import SAMPLED, Margin
from dfsubmit.scoring.pairs import PairStore

AUDITED = 100
"""One file in so many is scored in both precisions wherever it lies, as a check of the margin."""

CROP_BYTES = 256 * 2**20
"""How many bytes of crops are kept at most. A file whose crops are not kept is read again at the
end of the run if its label is in doubt."""


@dataclass
class _Doubtful:
    """A file whose faces wait for fp32.

    Attributes:
        file, result: which one, and its result in the quick precision.
        crops: of its frames, in the order of `result.frames`.
        order: the places of frames that are to be scored after those in the queue.
        quick: float64 (n,), the probabilities of its frames in the quick precision.
        exact: those in fp32 so far, by place.
        queued: how many of its faces are in the queue.
    """

    file: MediaFile
    result: FileResult
    crops: list[Pixels]
    order: list[int]
    quick: FloatArray
    exact: dict[int, float] = field(default_factory=dict)
    queued: int = 0


@dataclass
class _Time:
    """What a precision costs: the model's seconds, for so many faces."""

    seconds: float = 0.0
    faces: int = 0

    def add(self, seconds: float, faces: int) -> None:
        self.seconds += seconds
        self.faces += faces

    @property
    def per_face(self) -> float | None:
        return self.seconds / self.faces if self.faces else None


class Cascade:
    """The second precision of one run.

    Args:
        margin: learns from every file that is scored in both.
        score: as `Classifier.p_fake`, in fp32.
        batch_size: faces per call.
        quick, exact: the names of the two precisions.
        seed: chooses the files that are checked.
        store: where the files that the margin was first learned from are kept for later runs.
        waiting: updated while `score` runs.

    Attributes:
        quick_time, exact_time: what the two precisions cost; the engine adds to the first.
    """

    def __init__(
        self,
        margin: Margin,
        score: Callable[[Pixels], FloatArray],
        batch_size: int,
        quick: str,
        exact: str,
        seed: int,
        store: PairStore,
        waiting: Waiting,
    ) -> None:
        self.margin = margin
        self.score = score
        self.batch_size = batch_size
        self.quick, self.exact = quick, exact
        self.seed = seed
        self.store = store
        self.waiting = waiting
        self.quick_time, self.exact_time = _Time(), _Time()
        self._faces: list[tuple[_Doubtful, int]] = []

    def take(self, file: MediaFile, result: FileResult, faces: Sequence[Face]) -> bool:
        """Take a finished file, if it is to be scored in fp32; `scored` yields it.

        Args:
            file: which one.
            result: in the quick precision, with all its frames.
            faces: of all its frames, in any order; fewer if they were not kept.
        """
        if result.status is not Status.OK:
            return False
        result.precision = self.quick
        if len(faces) != len(result.frames):
            return False
        self.margin.rows.decide(result)
        if result.frames_skipped or not self._is_wanted(result):
            return False
        crops = {face.index: face.crop for face in faces}
        item = _Doubtful(
            file,
            result,
            [crops[frame.index] for frame in result.frames],
            sampling_order(result),
            frame_scores(result.frames).p_fake,
        )
        in_part = self.margin.corrects and not is_audited(result.filename, self.seed)
        self._queue(item, SAMPLED if in_part else len(item.order))
        return True

    def _is_wanted(self, result: FileResult) -> bool:
        return is_audited(result.filename, self.seed) or not self.margin.settles(result)

    def _queue(self, item: _Doubtful, count: int) -> None:
        places, item.order = item.order[:count], item.order[count:]
        item.queued += len(places)
        self._faces += [(item, place) for place in places]

    def scored(self, everything: bool) -> Iterator[tuple[MediaFile, FileResult]]:
        """Score full batches of the faces taken; yields each file that is finished.

        Args:
            everything: score the last batch too, although it is not full.
        """
        while self._faces and (everything or len(self._faces) >= self.batch_size):
            batch, self._faces = self._faces[: self.batch_size], self._faces[self.batch_size :]
            start = time.perf_counter()
            scores = self.score(np.stack([item.crops[place] for item, place in batch]))
            seconds = time.perf_counter() - start
            self.waiting.classify += seconds
            self.exact_time.add(seconds, len(batch))
            for (item, place), p_fake in zip(batch, scores, strict=True):
                item.exact[place] = float(p_fake)
                item.queued -= 1
                item.result.seconds["classify"] += seconds / len(batch)
                if not item.queued and self._update(item):
                    yield item.file, self._finished(item)

    def _update(self, item: _Doubtful) -> bool:
        """Set a file's result from its frames in fp32; returns whether it is finished. If it is
        not, further frames are queued."""
        result = item.result
        result.quick = item.quick.tolist()
        result.estimated = sorted(item.order)
        result.precision = f"{self.quick}+{self.exact}" if item.order else self.exact
        result.frames = [
            dataclasses.replace(frame, p_fake=float(p_fake))
            for frame, p_fake in zip(result.frames, corrected(item.quick, item.exact), strict=True)
        ]
        self.margin.rows.decide(result)
        if not item.order or self.margin.settles(result):
            return True
        self._queue(item, SAMPLED)
        return False

    def left(self) -> Iterator[tuple[MediaFile, FileResult]]:
        """The files that are still waiting, with what is known of them."""
        items = {id(item): item for item, _ in self._faces}
        self._faces = []
        for item in items.values():
            yield item.file, item.result

    def _finished(self, item: _Doubtful) -> FileResult:
        result, was_known = item.result, self.margin.known
        self.margin.learn(result)
        if not was_known:
            self.store.add(result)
            if self.margin.known:
                self.store.save()
        return result

    def recall(self) -> None:
        """Learn the margin from an earlier run of the same model on the same files, if there was
        one."""
        for result in self.store.load():
            self.margin.learn(result)

    def report(self) -> dict[str, Any]:
        """The state of the margin, as plain JSON types."""
        return {
            "quick": self.quick,
            "exact": self.exact,
            "seed": self.seed,
            "quick_seconds": self.quick_time.per_face,
            "exact_seconds": self.exact_time.per_face,
            **self.margin.ends(),
        }


def is_audited(name: str, seed: int) -> bool:
    """Whether a file is one of the random ones that are scored in both precisions anyway."""
    return _number(f"audit {seed} {name}") % AUDITED == 0


def in_random_order(files: Sequence[MediaFile], seed: int) -> list[MediaFile]:
    """The files in an order that does not depend on what their names have in common.

    The margin is learned from the first of them, which must be a random choice of all.
    """
    return sorted(files, key=lambda file: _number(f"order {seed} {file.name}"))


def _number(text: str) -> int:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")
