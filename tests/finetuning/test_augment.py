"""Augmentation: shapes, ranges, and what each must and must not change."""

from __future__ import annotations

import numpy as np
import pytest

from dfsubmit.finetuning.data.augment import STRENGTHS, Strength, degrade, jpeg, reframe
from dfsubmit.records import Pixels


def named(name: str) -> Strength:
    strength = STRENGTHS[name]
    assert strength is not None
    return strength


STANDARD, STRONG = named("standard"), named("strong")


@pytest.fixture(scope="module")
def face() -> Pixels:
    skimage = pytest.importorskip("skimage", reason="scikit-image brings the photograph")
    crop: Pixels = np.ascontiguousarray(skimage.data.astronaut()[60:180, 170:280])
    return crop


def distance(first: Pixels, second: Pixels) -> float:
    return float(np.abs(first.astype(float) - second.astype(float)).mean())


@pytest.mark.parametrize("strength", [STANDARD, STRONG])
def test_shapes_stay_and_the_seed_decides(face: Pixels, strength: Strength) -> None:
    for change in (reframe, degrade):
        results = [change(face, strength, np.random.default_rng(seed)) for seed in (1, 1, 2)]
        assert all(result.shape == face.shape for result in results)
        assert all(result.dtype == np.uint8 for result in results)
        assert (results[0] == results[1]).all()
    assert distance(reframe(face, strength, np.random.default_rng(3)), face) > 1


def test_strong_is_stronger(face: Pixels) -> None:
    def mean_distance(strength: Strength) -> float:
        changed = [degrade(face, strength, np.random.default_rng(seed)) for seed in range(60)]
        return float(np.mean([distance(other, face) for other in changed]))

    assert mean_distance(STRONG) > 1.5 * mean_distance(STANDARD) > 0


def test_strong_also_darkens_far_down_and_standard_does_not(face: Pixels) -> None:
    def brightness(strength: Strength) -> list[float]:
        seeds = range(200)
        changed = [degrade(face, strength, np.random.default_rng(seed)) for seed in seeds]
        return [float(other.mean() / face.mean()) for other in changed]

    assert min(brightness(STANDARD)) > 0.7
    dark = sum(value < 0.5 for value in brightness(STRONG))
    # 30 % are darkened, by a factor that is uniform in its logarithm from 0.2 to 1.
    assert 0.08 < dark / 200 < 0.3


def test_jpeg_keeps_the_order_of_channels_and_loses_by_quality(face: Pixels) -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[:, :, 0] = 200
    assert distance(jpeg(red, 95), red) < 3
    assert distance(jpeg(face, 30), face) > distance(jpeg(face, 95), face) > 0


def test_tiny_crops_survive() -> None:
    for side in (1, 2, 7):
        crop = np.full((side, side + 1, 3), 90, np.uint8)
        chance = np.random.default_rng(0)
        for _ in range(20):
            assert degrade(reframe(crop, STRONG, chance), STRONG, chance).shape == crop.shape
