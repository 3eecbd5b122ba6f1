"""Which of a model's classes is "fake", found by name in ``id2label`` and never by position."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dfsubmit.errors import UsageError, did_you_mean

_FAKE = frozenset(
    "fake fakes deepfake deepfakes deep_fake manipulated manipulation synthetic synthesized "
    "synthesised generated ai aigenerated ai_generated artificial forged forgery altered tampered "
    "swapped swap spoof spoofed 가짜 위조 합성 조작 딥페이크".split()
)
_REAL = frozenset(
    "real reals realism original originals pristine authentic genuine human natural bonafide "
    "bona_fide untouched unaltered live 진짜 실제 원본".split()
)


def resolve_fake_class(id2label: Mapping[int, str], fake_label: str | None = None) -> int:
    """The index of the one class that means fake.

    Args:
        id2label: the model's class names by index.
        fake_label: the user's name of the class, compared without regard to case.

    Raises:
        UsageError: no class, or more than one, means fake; or `fake_label` is none of them.
    """
    names = {index: str(name) for index, name in id2label.items()}
    listing = ", ".join(f"{index}: {name!r}" for index, name in sorted(names.items()))
    if fake_label is not None:
        matches = [i for i, name in names.items() if name.casefold() == fake_label.casefold()]
        if len(matches) != 1:
            raise UsageError(
                f"--fake-label {fake_label!r} names no single class of this model ({listing})",
                did_you_mean(fake_label, names.values()),
            )
        return matches[0]
    meanings = {index: _meaning(name) for index, name in names.items()}
    fakes = [index for index, meaning in meanings.items() if meaning == "fake"]
    reals = [index for index, meaning in meanings.items() if meaning == "real"]
    # One side is enough when there are two classes: {0: "real", 1: "swapface"} leaves no doubt.
    if len(names) == 2 and not fakes and len(reals) == 1:
        return next(index for index in names if index not in reals)
    if len(fakes) == 1 and (len(reals) == 1 or len(names) == 2):
        return fakes[0]
    raise UsageError(
        f"which class is fake cannot be told from the names of the model's classes ({listing})",
        "say which with --fake-label NAME",
    )


def _meaning(name: str) -> str:
    """ "fake", "real", or "" if the words mean neither or both."""
    # "DeepFake", "deep-fake_image" and "Fake Face" are all split into words here.
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    words = re.split(r"[^0-9a-z가-힣]+", spaced.casefold())
    joined = {"".join(words), "_".join(words)}
    tokens = set(words) | joined
    # "not fake", "non-fake" and "unreal" negate a word: an error rather than a guess.
    if tokens & {"not", "non", "no", "un", "without"}:
        return ""
    is_fake, is_real = bool(tokens & _FAKE), bool(tokens & _REAL)
    if is_fake == is_real:
        return ""
    return "fake" if is_fake else "real"
