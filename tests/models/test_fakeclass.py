"""Which class is fake, for the class names of models that people really use, in either order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfsubmit.errors import UsageError
from dfsubmit.models.fakeclass import resolve_fake_class


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        ("Realism", "Deepfake"),  # prithivMLmods/Deep-Fake-Detector-v2-Model
        ("Real", "Fake"),  # dima806/deepfake_vs_real_image_detection
        ("Real", "Deepfake"),  # prithivMLmods/Deepfake-Detection-Exp-02-21
        ("REAL", "FAKE"),
        ("real", "fake"),
        ("human", "artificial"),  # umm-maybe/AI-image-detector
        ("hum", "AI"),
        ("original", "manipulated"),
        ("Pristine", "Face Swap Forgery"),
        ("authentic", "tampered"),
        ("bona_fide", "spoof"),
        ("live", "spoof"),
        ("natural", "synthetic"),
        ("real_image", "ai-generated image"),
        ("RealFace", "FakeFace"),
        ("0_real", "1_fake"),
        ("real", "swapface"),
        ("real", "sdxl"),
        ("LABEL_0", "deepfakes"),
        ("Non-Deepfake", "Deepfake"),
        ("not fake", "fake"),
        ("진짜", "가짜"),
        ("원본", "딥페이크"),
        ("실제 얼굴", "합성 얼굴"),
    ],
)
def test_found_by_name_in_either_position(real: str, fake: str) -> None:
    assert resolve_fake_class({0: real, 1: fake}) == 1
    assert resolve_fake_class({0: fake, 1: real}) == 0


def test_one_fake_among_three_classes() -> None:
    assert resolve_fake_class({0: "background", 1: "real", 2: "fake"}) == 2


@pytest.mark.parametrize(
    "names",
    [
        ("LABEL_0", "LABEL_1"),
        ("cat", "dog"),
        ("fake", "deepfake"),
        ("Fake", "fake"),
        ("real", "original"),
        ("real fake", "fake real"),
        ("real", "fake", "deepfake"),
        ("fake", "cat", "dog"),
        ("real", "cat", "dog"),
        ("unreal", "surreal"),
        ("fake",),
        ("real",),
        (),
    ],
)
def test_doubtful_names_ask_for_the_users_word(names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="which class is fake") as caught:
        resolve_fake_class(dict(enumerate(names)))
    assert "--fake-label" in caught.value.hint
    assert all(repr(name) in caught.value.message for name in names)


def test_the_users_word_decides() -> None:
    names = {0: "LABEL_0", 1: "LABEL_1"}
    assert resolve_fake_class(names, "LABEL_0") == 0
    assert resolve_fake_class(names, "label_1") == 1
    # Even against what the names say: the user may know better.
    assert resolve_fake_class({0: "Real", 1: "Fake"}, "real") == 0


def test_a_word_that_names_no_class_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="'Deepfak'") as caught:
        resolve_fake_class({0: "Realism", 1: "Deepfake"}, "Deepfak")
    assert "'Deepfake'" in caught.value.hint


def test_a_word_that_names_two_classes_is_refused() -> None:
    with pytest.raises(UsageError, match="no single class"):
        resolve_fake_class({0: "fake", 1: "FAKE"}, "fake")


@given(st.dictionaries(st.integers(), st.text(), max_size=4))
def test_any_names_give_one_of_their_indices_or_a_question(names: dict[int, str]) -> None:
    try:
        index = resolve_fake_class(names)
    except UsageError:
        return
    assert index in names
