"""Anchored tracking: no face lost, and boxes that depend on neither order nor thinning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dfsubmit.faces import scan as scan_module
from dfsubmit.faces.detection import Detection, FaceDetector
from dfsubmit.faces.scan import Scanner
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.faces.tracking import Tracker, anchors_of
from dfsubmit.media.frames import Frame, Video
from dfsubmit.media.limits import Limits
from dfsubmit.media.sampling import visiting_order
from dfsubmit.recipe import BUILT_IN, Recipe
from dfsubmit.records import Box, Face, MediaFile, Pixels

FAST, EXACT = BUILT_IN["dfsubmit-fast"], BUILT_IN["dfsubmit"]


def scan(path: Path, recipe: Recipe, keep: int | None = None, coarse: bool = False) -> list[Face]:
    faces: list[Face] = []
    proceed = (lambda left: True) if coarse else None
    Scanner(ScanSettings(recipe)).scan(MediaFile(path, path.name), faces.append, keep, proceed)
    return sorted(faces, key=lambda face: face.index)


def boxes(faces: list[Face]) -> dict[int, Box]:
    return {face.index: face.box for face in faces}


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return common / (sum(areas) - common)


@pytest.mark.parametrize("frames", [1, 2, 7, 8, 9, 40, 41, 100])
def test_a_thinned_sample_holds_every_anchor_or_nothing_else(frames: int) -> None:
    sample = list(range(0, 7 * frames, 7))
    anchors = anchors_of(sample)
    for keep in range(1, frames + 1):
        visited = set(visiting_order(sample, keep))
        assert anchors <= visited or visited <= anchors


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pan.mp4", "zoom.mp4", "motion_jpeg.avi"])
def test_no_face_is_lost_and_boxes_stay_close(samples: Path, name: str) -> None:
    exact, fast = boxes(scan(samples / name, EXACT)), boxes(scan(samples / name, FAST))
    assert exact
    assert exact.keys() <= fast.keys()
    overlaps = [overlap(box, fast[index]) for index, box in exact.items()]
    assert np.mean(overlaps) > 0.75
    assert all(exact[index] == fast[index] for index in anchors_of(sorted(exact)) & exact.keys())


@pytest.mark.slow
def test_boxes_depend_on_neither_order_nor_thinning(samples: Path) -> None:
    path = samples / "zoom.mp4"
    usual = boxes(scan(path, FAST))
    assert boxes(scan(path, FAST, coarse=True)) == usual
    for keep in (3, 8, 21):
        kept = boxes(scan(path, FAST, keep))
        assert kept == {index: usual[index] for index in kept}
        assert boxes(scan(path, FAST, keep, coarse=True)) == kept


@pytest.mark.slow
def test_a_lying_frame_count_changes_no_box(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Liar(Video):
        def __init__(self, path: Path, limits: Limits) -> None:
            super().__init__(path, limits)
            self.frames += 25

    path = samples / "pan.mp4"
    honest = boxes(scan(path, FAST))
    monkeypatch.setattr(scan_module, "Video", Liar)
    assert boxes(scan(path, FAST)) == honest
    assert boxes(scan(path, FAST, coarse=True)) == honest


def test_each_frame_comes_after_its_anchor_and_few_are_held() -> None:
    sample = list(range(0, 400, 10))
    blank = np.zeros((2, 2, 3), np.uint8)
    tracker = Tracker(FaceDetector(Recipe(detector="none")), sample)
    decoded: list[int] = []

    def frames() -> object:
        for index in sample:
            decoded.append(index)
            yield Frame(index, 0.0, blank)

    came: list[int] = []
    for frame in tracker.in_order(frames()):  # type: ignore[arg-type]
        came.append(frame.index)
        assert frame.index in tracker.anchors or tracker.anchor(frame.index) in came
        assert len(decoded) - len(came) <= 3
    assert sorted(came) == sample


def test_frames_that_come_again_are_searched_around_the_new_anchors() -> None:
    """As `media.seeking` gives them, where what it gave at first was not what decoding gives."""
    sample = list(range(20))
    tracker = Tracker(Scripted(None), sample)
    wide, narrow = np.zeros((360, 640, 3), np.uint8), np.zeros((360, 480, 3), np.uint8)
    frames = [Frame(index, 0.0, wide) for index in sample[:-1]]
    frames += [Frame(index, 0.0, narrow) for index in sample]
    came: list[Frame] = []
    for frame in tracker.in_order(frames):
        came.append(frame)
        anchor = tracker.anchor(frame.index)
        assert any(one.index == anchor and one.pixels is frame.pixels for one in came)
        tracker.largest(frame)
    assert {frame.index for frame in came if frame.pixels is narrow} == set(sample)


class Scripted(FaceDetector):
    """Finds in each whole frame, and near each anchor's face, what the test says."""

    def __init__(self, near: Detection | None) -> None:
        super().__init__(Recipe(detector="none"))
        self.near = near
        self.whole_searches = 0

    def largest(self, frame: Pixels) -> Detection | None:
        self.whole_searches += 1
        return Detection((100, 100, 200, 200), 1.0)

    def search(
        self, image: Pixels, scale: float, upsampling: int, left: int = 0, top: int = 0
    ) -> Detection | None:
        assert image.shape[:2] == (200, 200)
        assert (left, top) == (50, 50)
        return self.near


@pytest.mark.parametrize(
    ("near", "believed"),
    [
        (Detection((104, 102, 204, 202), 1.0), True),
        (None, False),
        (Detection((104, 102, 204, 202), 0.1), False),  # weak
        (Detection((104, 102, 264, 262), 1.0), False),  # another face, or another scale
    ],
)
def test_what_is_doubtful_is_searched_whole(near: Detection | None, believed: bool) -> None:
    detector = Scripted(near)
    sample = list(range(20))
    tracker = Tracker(detector, sample)
    picture = np.zeros((360, 640, 3), np.uint8)
    anchor, other = 0, 1
    assert anchor in tracker.anchors
    assert other not in tracker.anchors
    tracker.largest(Frame(anchor, 0.0, picture))
    found = tracker.largest(Frame(other, 0.0, picture))
    assert detector.whole_searches == (1 if believed else 2)
    assert found == (near if believed else Detection((100, 100, 200, 200), 1.0))


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["asl_real_book.mp4", "hamilton_real_dark_360p.mp4"])
def test_no_face_is_lost_in_real_clips(shared: Path, clip: str) -> None:
    path = shared / "data" / "media" / "videos" / clip
    exact, fast = boxes(scan(path, EXACT)), boxes(scan(path, FAST))
    assert exact.keys() <= fast.keys()
    assert np.mean([overlap(box, fast[index]) for index, box in exact.items()]) > 0.75
