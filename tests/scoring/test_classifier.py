"""Probabilities from logits, whatever batches the device has room for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from fakes import FakeModel

from dfsubmit.errors import DeviceOutOfMemory, ModelError
from dfsubmit.records import Features, FloatArray, Pixels
from dfsubmit.scoring.classifier import Classifier


@pytest.fixture
def faces() -> Pixels:
    random = np.random.default_rng(0)
    light = random.integers(0, 256, size=(23, 1, 1, 1))
    return np.broadcast_to(light, (23, 4, 4, 3)).astype(np.uint8)


@pytest.fixture
def expected(faces: Pixels) -> FloatArray:
    return np.clip(faces[:, 0, 0, 0] / 255, 1e-6, 1 - 1e-6)


class Fixed(FakeModel):
    """Answers with the given logits, whatever the faces."""

    def __init__(self, logits: npt.ArrayLike) -> None:
        super().__init__()
        self.answer = np.asarray(logits, np.float32)
        self.id2label = {row: str(row) for row in range(len(self.answer))}

    def logits(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        return np.repeat(self.answer[None], len(pixels), axis=0)


@pytest.mark.parametrize("batch_size", [1, 7, 23, 64])
def test_batches_change_nothing(
    fake_model: type[FakeModel], faces: Pixels, expected: FloatArray, batch_size: int
) -> None:
    model = fake_model()
    p_fake = Classifier(model, 1, batch_size).p_fake(faces)
    assert p_fake.dtype == np.float64
    assert p_fake.shape == (23,)
    np.testing.assert_allclose(p_fake, expected, atol=1e-6)
    assert max(model.batches) <= batch_size
    assert sum(model.batches) == 23


def test_the_fake_column_is_the_one_asked_for(
    fake_model: type[FakeModel], faces: Pixels, expected: FloatArray
) -> None:
    np.testing.assert_allclose(Classifier(fake_model(), 0).p_fake(faces), 1 - expected, atol=1e-6)


def test_softmax_over_all_classes_without_overflow() -> None:
    faces = np.zeros((2, 4, 4, 3), np.uint8)
    logits = [1000.0, 1001.0, -1000.0]
    total = 1 + np.exp(-1)
    np.testing.assert_allclose(Classifier(Fixed(logits), 0).p_fake(faces), np.exp(-1) / total)
    np.testing.assert_allclose(Classifier(Fixed(logits), 1).p_fake(faces), 1 / total)
    np.testing.assert_allclose(Classifier(Fixed(logits), 2).p_fake(faces), 0, atol=1e-12)


def test_flip_is_the_mean_of_a_face_and_its_mirror_image() -> None:
    class LeftColumn(FakeModel):
        def logits(self, pixels: Pixels) -> npt.NDArray[np.float32]:
            assert pixels.flags["C_CONTIGUOUS"]
            p_fake = pixels[:, 0, 0, 0] / 255
            return np.log(np.stack([1 - p_fake, p_fake], axis=1)).astype(np.float32)

    face = np.full((1, 4, 4, 3), 51, np.uint8)
    face[:, :, -1] = 204
    assert Classifier(LeftColumn(), 1).p_fake(face) == pytest.approx([0.2])
    assert Classifier(LeftColumn(), 1, tta="flip").p_fake(face) == pytest.approx([0.5])


def test_the_batch_is_halved_until_it_fits_and_stays_so(
    fake_model: type[FakeModel], faces: Pixels, expected: FloatArray
) -> None:
    model = fake_model(capacity=3)
    classifier = Classifier(model, 1, 16)
    np.testing.assert_allclose(classifier.p_fake(faces), expected, atol=1e-6)
    assert model.batches[:4] == [16, 8, 4, 2]
    assert classifier.batch_size == 2
    tried = len(model.batches)
    classifier.p_fake(faces)
    assert set(model.batches[tried:]) <= {1, 2}


def test_a_device_without_room_for_one_face_is_left_for_the_cpu(
    faces: Pixels, expected: FloatArray
) -> None:
    class Small(FakeModel):
        def fall_back_to_cpu(self) -> bool:
            moved = self.capacity == 0
            self.capacity = 64
            return moved

    model = Small(capacity=0)
    np.testing.assert_allclose(Classifier(model, 1, 4).p_fake(faces), expected, atol=1e-6)
    assert model.batches[:4] == [4, 2, 1, 1]


class Seeing(FakeModel):
    """Gives the left and the right column's brightness besides."""

    feature_width = 2

    def logits_and_features(self, pixels: Pixels) -> tuple[npt.NDArray[np.float32], Features]:
        return self.logits(pixels), pixels[:, 0, [0, -1], 0].astype(np.float32)


def test_features_come_with_the_probabilities_from_the_same_passes(faces: Pixels) -> None:
    faces = faces.copy()
    faces[:, :, -1] = 100
    model = Seeing(capacity=5)
    p_fake, features = Classifier(model, 1, 16, keep_features=True).score(faces)
    assert features is not None
    np.testing.assert_array_equal(features, faces[:, 0, [0, -1], 0])
    np.testing.assert_array_equal(p_fake, Classifier(Seeing(), 1).p_fake(faces))
    # Of a face and its mirror image the mean, as of their probabilities.
    _, both = Classifier(Seeing(), 1, 4, tta="flip", keep_features=True).score(faces)
    assert both is not None
    np.testing.assert_array_equal(both, np.repeat(features.mean(axis=1, keepdims=True), 2, axis=1))
    assert Classifier(Seeing(), 1).score(faces)[1] is None


@pytest.mark.parametrize("has_fallback", [True, False])
def test_no_room_anywhere_is_an_error_with_a_hint(faces: Pixels, has_fallback: bool) -> None:
    class Stuck(FakeModel):
        def fall_back_to_cpu(self) -> bool:
            return False

    model = Stuck(capacity=0) if has_fallback else FakeModel(capacity=0)
    with pytest.raises(DeviceOutOfMemory, match="portrait: not even one face") as caught:
        Classifier(model, 1, 4, name="portrait").p_fake(faces)
    assert "--device cpu" in caught.value.hint


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_no_numbers_name_the_model(bad: float) -> None:
    faces = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(ModelError, match="portrait gives NaN"):
        Classifier(Fixed([0.0, bad]), 1, name="portrait").p_fake(faces)


@pytest.mark.parametrize(
    ("logits", "given"),
    [
        (np.zeros((2, 3), np.float32), r"an array of shape \(2, 3\)"),
        (np.zeros(2, np.float32), r"an array of shape \(2,\)"),
        (np.zeros((1, 2), np.float32), r"an array of shape \(1, 2\)"),
        (np.full((2, 2), "0"), "type <U1"),
        ([[0.0, 1.0], [1.0, 0.0]], "gives list for its logits"),
        (None, "gives NoneType for its logits"),
    ],
)
def test_logits_of_another_form_name_the_model(logits: object, given: str) -> None:
    class Odd(FakeModel):
        def logits(self, pixels: Pixels) -> npt.NDArray[np.float32]:
            return logits  # type: ignore[return-value]

    with pytest.raises(ModelError, match=given) as caught:
        Classifier(Odd(), 1, name="portrait (model loader 'odd')").p_fake(
            np.zeros((2, 4, 4, 3), np.uint8)
        )
    assert str(caught.value).startswith("portrait (model loader 'odd') gives")
    assert "(faces, classes), here (2, 2)" in str(caught.value)


def test_a_model_that_raises_is_named_with_its_line() -> None:
    class Broken(FakeModel):
        def logits(self, pixels: Pixels) -> npt.NDArray[np.float32]:
            raise ValueError("cannot reshape")

    with pytest.raises(ModelError, match=r"cannot reshape \(test_classifier.py, line \d+\)"):
        Classifier(Broken(), 1).p_fake(np.zeros((2, 4, 4, 3), np.uint8))
