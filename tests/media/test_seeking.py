"""Long videos: seeking gives what decoding gives, to the bit, or all frames come again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfsubmit.faces.scan import Scanner
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.media.frames import Frame, Video
from dfsubmit.media.limits import Limits
from dfsubmit.media.sampling import sample_indices
from dfsubmit.media.seeking import MIN_GAP, decode
from dfsubmit.recipe import Recipe
from dfsubmit.records import Face, MediaFile

pytestmark = pytest.mark.slow

av = pytest.importorskip("av", reason="PyAV writes the long videos (the extra 'stress')")

FRAMES, WANTED = 2400, 20
LIMITS = Limits()


def make_video(
    path: Path,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    dropped: Callable[[int], bool] = lambda number: False,
) -> Path:
    """A small picture wandering over soft noise, 25 frames a second, in a few hundred bytes each.

    Args:
        dropped: the frames that are left out, so that time goes on without them.
    """
    noise = np.random.default_rng(0).integers(0, 256, (128, 160, 3), dtype=np.uint8)
    scenery = cv2.GaussianBlur(noise, (0, 0), 3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 80, 64, "yuv420p"
        stream.options = options or {}
        for number in range(FRAMES):
            if dropped(number):
                continue
            x, y = int(40 * (1 + np.sin(number / 37))), int(32 * (1 + np.cos(number / 23)))
            view = np.ascontiguousarray(scenery[y : y + 64, x : x + 80])
            frame = av.VideoFrame.from_ndarray(view, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def one_pass(path: Path) -> list[Frame]:
    """The sample of the frames that decode."""
    video = Video(path, LIMITS)
    return list(video.decode(sample_indices(video.count(), WANTED)))


def assert_equal(found: list[Frame], expected: list[Frame]) -> None:
    assert [frame.index for frame in found] == [frame.index for frame in expected]
    for frame, other in zip(found, expected, strict=True):
        assert frame.time == other.time
        np.testing.assert_array_equal(frame.pixels, other.pixels)


def refuse(self: Video, wanted: list[int]) -> list[Frame]:
    raise AssertionError("a pass over the whole file")


@pytest.mark.parametrize(
    ("name", "codec", "options", "dropped"),
    [
        ("short-groups.mp4", "libx264", {"g": "12"}, lambda number: False),
        (
            "open.mkv",
            "libx264",
            {"g": "24", "x264-params": "open-gop=1:bframes=5"},
            lambda n: False,
        ),
        ("hevc.mp4", "libx265", {"x265-params": "keyint=20:log-level=none"}, lambda n: False),
        ("one-missing.mp4", "libx264", {"g": "12"}, lambda number: number == 1500),
        ("uneven.mp4", "libx264", {"g": "12"}, lambda number: number % 7 == 3),
        ("pause.mkv", "libx264", {"g": "12"}, lambda number: 300 < number < 500),
    ],
)
def test_equals_one_pass_to_the_bit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    codec: str,
    options: dict[str, str],
    dropped: Callable[[int], bool],
) -> None:
    """However the frames are spaced in time, none is decoded that seeking passes over."""
    path = make_video(tmp_path / name, codec, options, dropped)
    expected = one_pass(path)
    count = Video(path, LIMITS).count()
    monkeypatch.setattr(Video, "decode", refuse)
    video = Video(path, LIMITS)
    video.frames = count  # which Matroska only estimates
    assert_equal(list(decode(video, sample_indices(count, WANTED))), expected)
    assert (video.frames, video.counted, video.seekable) == (count, True, True)
    _scan_equals(path, expected)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("long-groups.mp4", "libx264", {"g": "250"}), ("mpeg4.avi", "mpeg4", {})],
    ids=["does not pay", "cannot be checked"],
)
def test_other_videos_are_decoded_in_one_pass(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = make_video(tmp_path / name, codec, options)
    video = Video(path, LIMITS)
    found = list(decode(video, sample_indices(FRAMES, WANTED)))
    assert not video.seekable
    assert_equal(found, one_pass(path))


@pytest.mark.parametrize(
    ("reach", "value"), [(range(5), 255), (range(5, 9), 0)], ids=["head of a unit", "of a slice"]
)
def test_a_frame_lost_where_nobody_looks_is_noticed(
    tmp_path: Path, reach: range, value: int
) -> None:
    """Every number behind it means another frame; so the video is decoded in one pass."""
    path = make_video(tmp_path / "v.mp4", options={"g": "12"})
    data = bytearray(path.read_bytes())
    unit = _units(bytes(data))[700]
    for place in reach:
        data[unit + place] = value
    path.write_bytes(data)
    lost = Video(path, LIMITS)
    assert lost.count() < FRAMES
    assert lost.lost
    video = Video(path, LIMITS)
    list(decode(video, sample_indices(FRAMES, WANTED)))
    assert not video.seekable
    _scan_equals(path, one_pass(path))


def _units(data: bytes) -> list[int]:
    """Where the units of an MP4 file's packets begin, at their lengths of four bytes."""
    place, units = data.index(b"mdat") + 4, []
    while place < len(data) and data[place : place + 4] != b"moov":
        units.append(place)
        place += 4 + int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == b"moov":
            break
    return units


def test_a_container_that_promises_too_many_frames(tmp_path: Path) -> None:
    """A file that was cut off keeps its header's count."""
    path = make_video(tmp_path / "v.avi", "mpeg4")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    video = Video(path, LIMITS)
    list(decode(video, sample_indices(FRAMES, WANTED)))
    assert not video.seekable
    assert 0 < video.frames < FRAMES
    _scan_equals(path, one_pass(path))


def test_the_clock_does_not_choose_the_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a damaged file, decoding and seeking may give other frames: never now these, now those."""
    path = make_video(tmp_path / "v.mp4", options={"g": "12"})
    data = bytearray(path.read_bytes())
    start = len(data) * 2 // 5
    data[start : start + 3000] = np.random.default_rng(0).bytes(3000)
    path.write_bytes(data)
    assert Video(path, LIMITS).count() < FRAMES
    usual = [face.index for face in _scan(path)]
    ticks = itertools.count()
    # One clock by which everything is quick, and one by which whatever comes later is quicker.
    for clock in (lambda: 0.0, lambda: 1 - 0.5 ** next(ticks)):
        monkeypatch.setattr(time, "perf_counter", clock)
        assert [face.index for face in _scan(path)] == usual


def _scan(path: Path, proceed: Callable[[int], bool] | None = None) -> list[Face]:
    """The frames that a scan sees, each with the whole frame as the face."""
    scanner = Scanner(ScanSettings(Recipe(frames=WANTED, detector="none")))
    faces: list[Face] = []
    scan = scanner.scan(MediaFile(path, path.name), faces.append, proceed=proceed)
    assert not scan.error
    return sorted(faces, key=lambda face: face.index)


def _scan_equals(path: Path, frames: list[Frame]) -> None:
    """A scan sees exactly these frames, in either order."""
    for faces in (_scan(path), _scan(path, lambda left: True)):
        assert [face.index for face in faces] == [frame.index for frame in frames]
        for face, frame in zip(faces, frames, strict=True):
            np.testing.assert_array_equal(face.crop, frame.pixels)


@pytest.mark.parametrize("wanted", [range(0, FRAMES, MIN_GAP - 1), [0], []])
def test_near_frames_and_single_ones_are_not_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: list[int]
) -> None:
    video = Video(make_video(tmp_path / "v.mp4", options={"g": "12"}), LIMITS)
    monkeypatch.setattr(Video, "decode", refuse)
    with pytest.raises(AssertionError, match="a pass over the whole file"):
        list(decode(video, wanted))
