"""Self-blending: what may tell a blend from its real picture, and what must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from dfsubmit.extraction.index import FaceRow
from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.finetuning.data.augment import STRENGTHS
from dfsubmit.finetuning.data.dataset import LearningFaces, ValidationFaces
from dfsubmit.finetuning.data.epochs import FaceSampler
from dfsubmit.finetuning.data.selfblend import self_blend
from dfsubmit.labels import FAKE, REAL
from dfsubmit.recipe import Recipe
from dfsubmit.records import FloatArray, Pixels

BOX = (26, 30, 86, 90)
"""Of `face`: half its width and height, as a margin of 40 % leaves it, nearly."""


@pytest.fixture(scope="module")
def face() -> Pixels:
    skimage = pytest.importorskip("skimage", reason="scikit-image brings the photograph")
    crop: Pixels = np.ascontiguousarray(skimage.data.astronaut()[60:180, 170:282])
    return crop


def changes(face: Pixels, seed: int) -> npt.NDArray[Any]:
    """Per pixel, by how much a blend differs from its real picture."""
    real, blend = self_blend(face, BOX, np.random.default_rng(seed))
    assert real.shape == blend.shape == face.shape
    assert real.dtype == blend.dtype == np.uint8
    difference: npt.NDArray[Any] = np.abs(blend.astype(int) - real).max(axis=2)
    return difference


def test_the_seam_and_all_that_changes_lie_in_the_face(face: Pixels) -> None:
    left, top, right, bottom = BOX
    inside = np.zeros(face.shape[:2], bool)
    inside[top:bottom, left:right] = True
    every = [changes(face, seed) for seed in range(60)]
    assert all(change.max() > 2 for change in every)
    changed = np.array([[(c[inside] > 0).sum(), (c[~inside] > 0).sum()] for c in every])
    assert changed[:, 0].mean() > 0.2 * inside.sum()
    assert changed[:, 1].sum() < 0.05 * changed.sum()


def oval(face: tuple[int, int, int, int]) -> FloatArray:
    """68 points on an oval in a box."""
    left, top, right, bottom = face
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    x = (left + right) / 2 + (right - left) / 2 * np.cos(angles)
    return np.stack([x, (top + bottom) / 2 + (bottom - top) / 2 * np.sin(angles)], axis=1)


def test_what_changes_lies_in_the_hull_of_68_landmarks(face: Pixels) -> None:
    """In the upper part of the box, where the ellipse alone would not lie."""
    hull = (30, 20, 80, 50)
    inside = np.zeros(face.shape[:2], bool)
    inside[hull[1] : hull[3], hull[0] : hull[2]] = True
    changed = np.zeros(2)
    for seed in range(40):
        chance = np.random.default_rng(seed)
        real, blend = self_blend(face, BOX, chance, oval(hull))
        change = (real != blend).any(axis=2)
        changed += change[inside].sum(), change[~inside].sum()
    assert changed[0] > 40 * 0.3 * inside.sum()
    assert changed[1] < 0.1 * changed.sum()


@pytest.mark.parametrize("landmarks", [oval(BOX)[:5], oval((3, 3, 5, 60)), oval(BOX) + 1e7])
def test_landmarks_without_a_hull_leave_the_box(face: Pixels, landmarks: FloatArray) -> None:
    plain = self_blend(face, BOX, np.random.default_rng(1))
    same = self_blend(face, BOX, np.random.default_rng(1), landmarks)
    for one, other in zip(plain, same, strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_other_pair_has_altered_surroundings_and_its_real_picture_has_them_too(
    face: Pixels,
) -> None:
    altered = 0
    for seed in range(60):
        real, blend = self_blend(face, BOX, np.random.default_rng(seed))
        assert (real[:10] == blend[:10]).all()
        altered += bool((real != face).any())
    assert 20 <= altered <= 40


def test_tiny_crops_survive() -> None:
    for side in (1, 2, 7):
        crop = np.full((side, side + 1, 3), 90, np.uint8)
        chance = np.random.default_rng(0)
        for box in ((0, 0, 1, 1), (-3, -3, side + 9, side + 9), (0, 0, side + 1, side)):
            for _ in range(20):
                assert self_blend(crop, box, chance)[1].shape == crop.shape


def corners(pixels: Pixels) -> list[float]:
    """Colour, contrast and sharpness of a picture's four corners, each 6 pixels wide."""
    figures: list[float] = []
    for corner in (pixels[:6, :6], pixels[:6, -6:], pixels[-6:, :6], pixels[-6:, -6:]):
        sharpness = float(np.abs(np.diff(corner.astype(int), axis=1)).mean())
        figures += [*corner.mean(axis=(0, 1)), corner.std(), sharpness]
    return figures


@pytest.fixture
def one_face(face: Pixels, tmp_path: Path) -> ValidationFaces:
    """1,000 real and 500 fake faces, all of which are one picture."""
    small = cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "face.png"), small[:, :, ::-1])
    return ValidationFaces(
        [tmp_path / "face.png"] * 1500, [REAL] * 1000 + [FAKE] * 500, Preprocessor(48, 48)
    )


def shown(one_face: ValidationFaces, balance: bool, augment: str, count: int) -> list[Any]:
    """The first examples of an epoch, of whose fakes (or real faces) four tenths are blends."""
    box = (0, 0, 48, 48)  # a crop already: the recipe's margin says where the face is
    rows = [
        FaceRow("", label, "", "", "", "", "", ("x",), "", 0, 0.0, box) for label in one_face.labels
    ]
    faces = LearningFaces(one_face, STRENGTHS[augment], [box] * len(rows), Recipe())
    sampler = FaceSampler(rows, ["g"] * len(rows), balance, 0.4, seed=0)
    draws = [draw for draw in sampler if draw.look != "plain" or augment == "none"]
    return [faces[draw] for draw in draws[:count]]


def test_a_blend_and_its_real_picture_share_their_augmentation(one_face: ValidationFaces) -> None:
    pixels = [example["pixels"].astype(int) for example in shown(one_face, True, "strong", 300)]
    corners = np.array([picture[:6, :6].mean(axis=(0, 1)) for picture in pixels])
    assert corners.std(axis=0).min() > 8
    # Now and then a strong change moves a part of the face into the corner.
    assert np.quantile(np.abs(corners[::2] - corners[1::2]), 0.95) < 1


@pytest.mark.parametrize("balance", [True, False])
def test_corners_outside_every_mask_do_not_tell_real_from_fake(
    one_face: ValidationFaces, balance: bool
) -> None:
    """Faces of one picture, so that a classifier of corners sees with ease which of them were
    altered. When blends were altered beside real ones that were not, its AUC was 0.61."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    metrics = pytest.importorskip("sklearn.metrics")
    examples = shown(one_face, balance, "none", 2000)
    x = np.array([corners(example["pixels"]) for example in examples])
    y = np.array([example["label"] for example in examples])
    forest = ensemble.RandomForestClassifier(20, min_samples_leaf=10, random_state=0)
    third = len(y) // 3 // 2 * 2  # pairs stay together
    forest.fit(x[:third], y[:third])
    auc = metrics.roc_auc_score(y[third:], forest.predict_proba(x[third:])[:, 1])
    assert 0.47 <= auc <= 0.53
