"""Long videos: seeking gives what decoding gives, to the bit, or says that it would not."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfsubmit.faces.scan import Scanner
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.media.frames import Frame, Video
from dfsubmit.media.sampling import sample_indices
from dfsubmit.media.seeking import MIN_GAP, Misplaced, decode_by_seeking, worth_seeking
from dfsubmit.recipe import Recipe
from dfsubmit.records import Face, Limits, MediaFile

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


def one_pass(video: Video, wanted: list[int]) -> tuple[list[Frame], list[int]]:
    ends: list[int] = []
    return list(video.decode(wanted, ends.append)), ends


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("long-groups.mp4", "libx264", {"g": "250"}),
        ("short-groups.mp4", "libx264", {"g": "30"}),
        ("open-groups.mkv", "libx264", {"g": "60", "x264-params": "open-gop=1:bframes=5"}),
        ("mpeg4.avi", "mpeg4", {}),
    ],
)
def test_equals_one_pass_to_the_bit(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    video = Video(make_video(tmp_path / name, codec, options), LIMITS)
    wanted = sample_indices(FRAMES, WANTED)
    assert worth_seeking(video, wanted)
    expected, expected_ends = one_pass(video, wanted)
    ends: list[int] = []
    found = list(decode_by_seeking(video, wanted, ends.append))
    assert ends == expected_ends == [FRAMES]
    assert [frame.index for frame in found] == wanted
    for frame, other in zip(found, expected, strict=True):
        assert (frame.index, frame.time) == (other.index, other.time)
        np.testing.assert_array_equal(frame.pixels, other.pixels)


@pytest.mark.parametrize(
    "dropped",
    [lambda number: number % 7 == 3, lambda number: number == 1500],
    ids=["every seventh", "one"],
)
def test_frames_unevenly_spaced_in_time_are_decoded_in_one_pass(
    tmp_path: Path, dropped: Callable[[int], bool]
) -> None:
    """Where a number no longer says the time, the result is still that of the single pass."""
    path = make_video(tmp_path / "v.mp4", options={"g": "30"}, dropped=dropped)
    video = Video(path, LIMITS)
    remaining = sum(not dropped(number) for number in range(FRAMES))
    wanted = sample_indices(remaining, WANTED)
    with pytest.raises(Misplaced):
        list(decode_by_seeking(video, wanted))
    _scan_equals(path, one_pass(video, wanted)[0])


def test_a_scan_that_seeks_sees_the_same(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", options={"g": "30"})
    _scan_equals(path, one_pass(Video(path, LIMITS), sample_indices(FRAMES, WANTED))[0])


def test_a_container_that_promises_too_many_frames(tmp_path: Path) -> None:
    """A file that was cut off keeps its header's count."""
    path = make_video(tmp_path / "v.avi", "mpeg4")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    video = Video(path, LIMITS)
    if video.claimed_frames == FRAMES:
        with pytest.raises(Misplaced):
            list(decode_by_seeking(video, sample_indices(FRAMES, WANTED)))
    decodable = video.count()
    assert 0 < decodable < FRAMES
    _scan_equals(path, one_pass(video, sample_indices(decodable, WANTED))[0])


def _scan_equals(path: Path, frames: list[Frame]) -> None:
    """A scan with the whole frame as the face sees exactly these frames, in either order."""
    scanner = Scanner(ScanSettings(Recipe(frames=WANTED, detector="none")))
    seen: list[list[Face]] = []
    for proceed in (None, lambda left: True):
        faces: list[Face] = []
        scan = scanner.scan(MediaFile(path, path.name), faces.append, proceed=proceed)
        assert not scan.error
        seen.append(sorted(faces, key=lambda face: face.index))
    for faces in seen:
        assert [face.index for face in faces] == [frame.index for frame in frames]
        for face, other in zip(faces, seen[0], strict=True):
            np.testing.assert_array_equal(face.crop, other.crop)


def test_near_frames_and_unknown_lengths_are_not_sought(tmp_path: Path) -> None:
    video = Video(make_video(tmp_path / "v.mp4"), LIMITS)
    assert not worth_seeking(video, sample_indices(FRAMES, FRAMES // MIN_GAP + 1))
    assert not worth_seeking(video, [0])
    assert not worth_seeking(video, [0, FRAMES])  # beyond the end
    video.claimed_frames = 0
    assert not worth_seeking(video, [0, 1000])
