"""Anchored tracking: most frames are searched only around a known face.

In: the frames of one file's sample. Out: the same `Detection`s as a full search, up to some pixels.
Anchors, spread evenly over the sample, are searched completely. Every other frame is searched
around its nearest anchor's face, at the same scale. It is searched completely if that finds
nothing or a doubtful face, or if the anchor has no face; so no face is lost.

Which frames are anchors depends on the sample alone, and a frame's anchor on the frame alone. So
boxes depend neither on the order in which frames are visited nor on how many are left out: anchors
come first in the coarse-to-fine order, so a thinned sample holds every anchor or nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dfsubmit.faces.detection import Detection, FaceDetector
from dfsubmit.media.frames import Frame
from dfsubmit.media.sampling import coarse_to_fine
from dfsubmit.records import Box

# Chosen on 24 clips with faces (docs/performance.md, "dfsubmit-fast").
FRAMES_PER_ANCHOR = 5
FEWEST_ANCHORS = 8
MARGIN = 0.5
"""The margin searched on each side of the anchor's face, as a share of its width and height."""
WEAK = 0.2
"""A detection with a lower score is doubtful."""
LARGEST_CHANGE = 1.6
"""A face's area may change by this factor; dlib's boxes grow by steps of 1.2 a side (area 1.44)."""
PLAIN_SIZE = 100
"""From this size in pixels a face is searched without upsampling, which finds faces from 80 on."""


def anchors_of(sample: Sequence[int]) -> frozenset[int]:
    """The frame numbers that are searched whole; the first ones in coarse-to-fine order."""
    count = max(FEWEST_ANCHORS, -(-len(sample) // FRAMES_PER_ANCHOR))
    return frozenset(sample[position] for position in coarse_to_fine(len(sample))[:count])


class Tracker:
    """The detector of one file.

    Args:
        detector: the worker's own.
        sample: the frame numbers of the whole sample, whether or not all are visited.
    """

    def __init__(self, detector: FaceDetector, sample: Sequence[int]) -> None:
        self.detector = detector
        self.anchors = anchors_of(sample)
        self._found: dict[int, Detection | None] = {}

    def largest(self, frame: Frame) -> Detection | None:
        """The largest face of a frame whose anchor has been visited, or None."""
        if frame.index in self.anchors:
            self._found[frame.index] = self.detector.largest(frame.pixels)
            return self._found[frame.index]
        near = self._found.get(self.anchor(frame.index))  # none where the anchor does not decode
        tracked = self._around(frame, near) if near is not None else None
        return tracked or self.detector.largest(frame.pixels)

    def anchor(self, index: int) -> int:
        """The anchor nearest to a frame; of two equally near ones the earlier."""
        return min(self.anchors, key=lambda anchor: (abs(anchor - index), anchor))

    def in_order(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The same frames, in the order of the file, each after its anchor: a few are held back
        until it has come. Where the frames come again from the first one on, so do these."""
        held: list[Frame] = []
        last = -1
        for frame in frames:
            if frame.index <= last:
                held.clear()
                self._found.clear()
            last = frame.index
            held.append(frame)
            # What waits for this anchor is looked up after it.
            if frame.index in self.anchors:
                yield held.pop()
            waiting = []
            for other in held:
                anchor = self.anchor(other.index)
                if anchor in self._found or anchor <= frame.index:
                    yield other
                else:
                    waiting.append(other)
            held = waiting
        # The file ended before the anchor that was still to come.
        yield from held

    def _around(self, frame: Frame, near: Detection) -> Detection | None:
        """The face near a known one, unless it is doubtful."""
        image, scale = self.detector.detection_image(frame.pixels)
        left, top, right, bottom = (int(edge * scale) for edge in near.box)
        width, height = right - left, bottom - top
        across, down = int(MARGIN * width), int(MARGIN * height)
        window = image[
            max(top - down, 0) : max(bottom + down, 0), max(left - across, 0) : right + across
        ]
        if not window.size:
            return None
        plain = min(width, height) >= PLAIN_SIZE
        upsampling = 0 if plain else self.detector.recipe.upsampling
        corner = max(left - across, 0), max(top - down, 0)
        found = self.detector.search(window, scale, upsampling, *corner)
        if found is None or found.score < WEAK:
            return None
        change = _area(found.box) / max(_area(near.box), 1)
        return found if 1 / LARGEST_CHANGE <= change <= LARGEST_CHANGE else None


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
