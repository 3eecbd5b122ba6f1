"""Degraded files: the same frames at the same times, worse by as much as the variant says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dfsubmit.errors import NotInstalled
from dfsubmit.evaluation.stress.degrade import VARIANTS, Variant, degrade_file, degrade_pixels
from dfsubmit.media.frames import Unreadable, Video
from dfsubmit.media.images import read_image
from dfsubmit.media.limits import Limits
from dfsubmit.media.listing import sniff
from dfsubmit.media.sampling import sample_indices
from dfsubmit.records import Kind, Pixels

pytest.importorskip("av")
SINGLE_FRAME = [variant for variant in VARIANTS.values() if variant.kind != "x264"]


def psnr(first: Pixels, second: Pixels) -> float:
    """Peak signal-to-noise ratio in decibels."""
    error = np.mean((first.astype(float) - second.astype(float)) ** 2)
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


@pytest.fixture(scope="module")
def picture(samples: Path) -> Path:
    return samples / "face.jpg"


def test_every_kind_comes_in_two_or_three_strengths() -> None:
    kinds = [variant.kind for variant in VARIANTS.values()]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "x264": 2, "scale": 2, "jpeg": 3, "blur": 3, "noise": 3, "dark": 2,
    }  # fmt: skip


@pytest.mark.parametrize("variant", SINGLE_FRAME, ids=lambda variant: variant.name)
def test_frames_keep_their_size_and_get_worse(
    samples: Path, picture: Path, variant: Variant
) -> None:
    pixels = read_image(picture, Limits()).pixels
    before = pixels.copy()
    changed = degrade_pixels(pixels, variant, np.random.default_rng(0))
    assert changed.shape == pixels.shape
    assert changed.dtype == np.uint8
    assert (pixels == before).all()
    assert psnr(pixels, changed) < 45


@pytest.mark.parametrize("kind", ["scale", "jpeg", "blur", "noise", "dark"])
def test_strengths_come_in_order(picture: Path, kind: str) -> None:
    pixels = read_image(picture, Limits()).pixels
    quality = [
        psnr(pixels, degrade_pixels(pixels, variant, np.random.default_rng(0)))
        for variant in SINGLE_FRAME
        if variant.kind == kind
    ]
    assert quality == sorted(quality, reverse=True)


def test_known_pixels() -> None:
    grey = np.full((64, 64, 3), 100, np.uint8)
    random = np.random.default_rng(0)
    assert (degrade_pixels(grey, VARIANTS["dark50"], random) == 50).all()
    assert (degrade_pixels(grey, VARIANTS["half"], random) == 100).all()
    noisy = degrade_pixels(grey, VARIANTS["noise10"], random).astype(float)
    assert noisy.std() == pytest.approx(10, rel=0.05)
    edge = np.zeros((640, 640, 3), np.uint8)
    edge[:, 320:] = 255
    ramp = degrade_pixels(edge, VARIANTS["blur4"], random)[320, :, 0].astype(int)
    # A blurred edge rises from 16 % to 84 % within two standard deviations.
    assert np.count_nonzero((ramp > 0.16 * 255) & (ramp < 0.84 * 255)) == pytest.approx(8, abs=1)


def test_a_single_frame_variant_keeps_the_sampled_frames_and_their_times(
    samples: Path, tmp_path: Path
) -> None:
    source, target = samples / "pan.mp4", tmp_path / "pan.mp4"
    degrade_file(source, target, VARIANTS["dark50"], frames=7)
    video = Video(source, Limits())
    expected = list(video.decode(sample_indices(video.count(), 7)))
    copy = Video(target, Limits())
    found = list(copy.decode(range(100)))
    assert len(found) == copy.count() == copy.frames == 7
    for frame, twin in zip(expected, found, strict=True):
        assert twin.time == pytest.approx(frame.time, abs=0.002)
        assert psnr(np.rint(frame.pixels * 0.5), twin.pixels) > 38


def test_recompression_keeps_every_frame(samples: Path, tmp_path: Path) -> None:
    source = samples / "pan.mp4"
    sizes, qualities = [], []
    original = list(Video(source, Limits()).decode([0, 40]))
    for name in ("c23", "c40"):
        target = tmp_path / name
        degrade_file(source, target, VARIANTS[name], frames=3)
        copy = Video(target, Limits())
        assert copy.count() == Video(source, Limits()).count()
        qualities.append(psnr(original[1].pixels, list(copy.decode([0, 40]))[1].pixels))
        sizes.append(target.stat().st_size)
    assert sizes[1] < sizes[0] / 2
    assert qualities[1] < qualities[0] - 2


@pytest.mark.parametrize("name", ["c40", "jpeg30", "blur2"])
def test_pictures_stay_pictures_whatever_their_suffix(
    picture: Path, tmp_path: Path, name: str
) -> None:
    target = tmp_path / "picture.bmp"
    degrade_file(picture, target, VARIANTS[name], frames=3)
    assert sniff(target) is Kind.IMAGE
    before, after = (read_image(path, Limits()).pixels for path in (picture, target))
    assert abs(np.subtract(before.shape, after.shape)).max() <= 1  # 4:2:0 has even sides
    assert 15 < psnr(before[: after.shape[0], : after.shape[1]], after) < 45


def test_odd_sizes(tmp_path: Path) -> None:
    source = tmp_path / "odd.png"
    gradient = np.tile(np.arange(33, dtype=np.uint8)[:, None, None] * 7, (1, 51, 3))
    Image.fromarray(gradient).save(source)
    for variant in VARIANTS.values():
        degrade_file(source, tmp_path / "out.png", variant, frames=1)
        assert read_image(tmp_path / "out.png", Limits()).pixels.shape[:2] in ((33, 51), (32, 50))


def test_noise_is_seeded_by_file_and_seed(picture: Path, tmp_path: Path) -> None:
    def noisy(seed: int, name: str = "a.jpg") -> bytes:
        source = tmp_path / name
        source.write_bytes(picture.read_bytes())
        degrade_file(source, tmp_path / "out", VARIANTS["noise20"], 1, seed)
        return (tmp_path / "out").read_bytes()

    assert noisy(0) == noisy(0)
    assert noisy(0) != noisy(1)
    assert noisy(0) != noisy(0, "b.jpg")


def test_what_cannot_be_decoded_is_an_error_and_leaves_nothing(
    samples: Path, tmp_path: Path
) -> None:
    with pytest.raises((Unreadable, OSError)):
        degrade_file(samples / "broken.mp4", tmp_path / "out.mp4", VARIANTS["c40"], 5)
    assert list(tmp_path.iterdir()) == []


def test_without_pyav_the_pip_line_is_named(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(NotInstalled) as caught:
        degrade_file(samples / "pan.mp4", tmp_path / "out.mp4", VARIANTS["c40"], 5)
    assert "dfsubmit[stress]" in caught.value.hint
