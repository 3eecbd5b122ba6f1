"""Sampling and decoding of videos: which frames, in which order, equal to what seeking gives."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import damage, make_video
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dfsubmit.media import frames
from dfsubmit.media.frames import Unreadable, Video
from dfsubmit.media.limits import Limits
from dfsubmit.media.listing import sniff
from dfsubmit.media.sampling import coarse_to_fine, sample_indices, visiting_order
from dfsubmit.records import Kind

LIMITS = Limits()


@given(st.integers(0, 5000), st.integers(1, 100))
def test_samples_are_the_recipes_formula(decodable: int, asked: int) -> None:
    indices = sample_indices(decodable, asked)
    if decodable == 0:
        assert indices == []
        return
    assert indices == np.unique(np.linspace(0, decodable - 1, asked, dtype=int)).tolist()
    assert indices[0] == 0
    assert len(indices) == min(decodable, asked) or decodable > asked


@given(st.integers(0, 300))
def test_coarse_to_fine_visits_everything_once(count: int) -> None:
    assert sorted(coarse_to_fine(count)) == list(range(count))


@given(st.integers(16, 300), st.data())
def test_every_beginning_of_coarse_to_fine_is_spread(count: int, data: st.DataObject) -> None:
    seen = data.draw(st.integers(2, count))
    chosen = sorted(coarse_to_fine(count)[:seen])
    gaps = np.diff([*chosen, count])
    # Van der Corput: the largest gap is at most twice the even one, and rounding adds one.
    assert gaps.max() <= 2 * count / seen + 1


def test_fewer_frames_are_the_beginning_of_the_visiting_order() -> None:
    sample = list(range(0, 400, 10))
    order = visiting_order(sample)
    assert sorted(order) == sample
    assert visiting_order(sample, 8) == order[:8]
    assert visiting_order(sample, 0) == order[:1]
    assert visiting_order(sample, 99) == order
    assert max(np.diff(sorted(order[:8]))) == 50


def test_one_pass_gives_the_frames_that_were_written(tmp_path: Path) -> None:
    video = Video(make_video(tmp_path / "v.avi", 90), LIMITS)
    wanted = sample_indices(90, 40)
    found = list(video.decode(wanted))
    assert [frame.index for frame in found] == wanted
    for frame in found:
        assert abs(int(frame.pixels.mean()) - frame.index) <= 2
        assert frame.time == pytest.approx(frame.index / 25, abs=1e-3)


def test_the_first_pass_counts_and_frames_beyond_the_end_are_passed_over(tmp_path: Path) -> None:
    video = Video(make_video(tmp_path / "v.avi", 12), LIMITS)
    assert (video.frames, video.counted) == (12, False)
    video.frames = 99  # a container that lies
    assert [frame.index for frame in video.decode([0, 50])] == [0]
    assert (video.frames, video.counted) == (12, True)
    assert [frame.index for frame in video.decode([3, 11])] == [3, 11]
    assert video.count() == 12


def test_packets_that_do_not_decode_are_passed_over_and_counted(tmp_path: Path) -> None:
    whole = Video(make_video(tmp_path / "v.avi", 201), LIMITS)
    expected = [frame.pixels for frame in whole.decode(range(201)) if frame.index != 5]
    video = Video(damage(tmp_path / "v.avi", range(5, 6)), LIMITS)
    found = list(video.decode(range(201)))
    assert (video.frames, video.lost, whole.lost) == (200, 1, 0)
    assert [frame.index for frame in found] == list(range(200))
    for frame, pixels in zip(found, expected, strict=True):
        np.testing.assert_array_equal(frame.pixels, pixels)
    assert [frame.index for frame in video.decode([4, 5, 199])] == [4, 5, 199]


def test_going_on_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = damage(make_video(tmp_path / "v.avi", 90), range(10, 40))
    monkeypatch.setattr(frames, "RETRIES", 30)
    assert Video(path, LIMITS).count() == 60
    monkeypatch.setattr(frames, "RETRIES", 29)
    assert Video(path, LIMITS).count() == 10
    monkeypatch.setattr(frames, "RETRIES", 30)
    with pytest.raises(Unreadable, match="more than 80 frames"):
        Video(path, Limits(frames=80)).count()


@pytest.mark.parametrize("name", ["pan.mp4", "twelve_frames.mp4", "motion_jpeg.avi"])
def test_one_pass_equals_seeking_to_each_frame(samples: Path, name: str) -> None:
    video = Video(samples / name, LIMITS)
    total = video.count()
    capture = cv2.VideoCapture(str(samples / name))
    for frame in video.decode(sample_indices(total, 10)):
        capture.set(cv2.CAP_PROP_POS_FRAMES, frame.index)
        decoded, pixels = capture.read()
        assert decoded
        np.testing.assert_array_equal(frame.pixels, pixels[:, :, ::-1])


def test_limits_on_frames_and_pixels_are_named(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.avi", 30)
    with pytest.raises(Unreadable, match="more than 10 frames"):
        Video(path, Limits(frames=10)).count()
    with pytest.raises(Unreadable, match="pixels are over the limit"):
        Video(path, Limits(pixels=100))


def test_a_name_that_is_not_utf8_or_looks_like_a_protocol_opens(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.avi", 5)
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.avi"))
    protocol = tmp_path / "concat:v.avi"
    for other in (strange, protocol):
        other.write_bytes(path.read_bytes())
        assert Video(other, LIMITS).count() == 5


@pytest.mark.parametrize(
    "content", [b"", b"this is not a video", b"\0\0\0\x20ftypisom" + b"\0" * 99]
)
def test_what_is_no_video_is_unreadable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.mp4").write_bytes(content)
    with pytest.raises(Unreadable):
        Video(tmp_path / "v.mp4", LIMITS)


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((-1, 0, 0, 1), lambda upright: upright[:, ::-1]),
        ((1, 0, 0, -1), lambda upright: upright[::-1]),
        ((-1, 0, 0, -1), lambda upright: upright[::-1, ::-1]),
        ((0, 1, -1, 0), lambda upright: np.rot90(upright, -1)),
        ((0, -1, 1, 0), np.rot90),
        ((0, 1, 1, 0), lambda upright: upright.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda upright: np.rot90(upright, 2).transpose(1, 0, 2)),
    ],
)
def test_rotation_and_mirroring_are_honoured(
    samples: Path, tmp_path: Path, matrix: tuple[int, ...], turn: Callable[[Any], Any]
) -> None:
    """The display matrix of the track, as `mirror.py` describes it."""
    data = bytearray((samples / "pan.mp4").read_bytes())
    (stored,) = Video(samples / "pan.mp4", LIMITS).decode([3])
    place = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (number << 16 for number in matrix)
    data[place : place + 20] = struct.pack(">5i", a, b, 0, c, d)
    (tmp_path / "v.mp4").write_bytes(data)
    (shown,) = Video(tmp_path / "v.mp4", LIMITS).decode([3])
    np.testing.assert_array_equal(shown.pixels, turn(stored.pixels))


def test_raw_motion_jpeg_is_a_video(tmp_path: Path) -> None:
    pictures = []
    for brightness in (20, 120, 220):
        Image.new("RGB", (64, 48), (brightness,) * 3).save(tmp_path / "p.jpg")
        pictures.append((tmp_path / "p.jpg").read_bytes())
    path = tmp_path / "v.mjpeg"
    path.write_bytes(b"".join(pictures))
    assert sniff(path) is Kind.VIDEO
    means = [frame.pixels.mean() for frame in Video(path, LIMITS).decode(range(3))]
    assert means == pytest.approx([20, 120, 220], abs=2)
