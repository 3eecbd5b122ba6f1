"""What an epoch shows: every face, in an order that only the seed and the epoch decide."""

from __future__ import annotations

from collections import Counter

import pytest

from dfsubmit.extraction.index import FaceRow
from dfsubmit.finetuning.data.epochs import FaceSampler
from dfsubmit.labels import FAKE, REAL


def rows(labels: list[int]) -> list[FaceRow]:
    return [
        FaceRow("", label, "", "", "", "", "", ("x",), "", 0, 0.0, (0, 0, 1, 1)) for label in labels
    ]


def sampler(
    labels: list[int], groups: list[str], balance: bool = False, blend: float = 0.0, seed: int = 0
) -> FaceSampler:
    return FaceSampler(rows(labels), groups, balance, blend, seed)


def test_an_epoch_shows_every_face_once_and_the_next_one_in_another_order() -> None:
    one = sampler([REAL, FAKE] * 50, ["g"] * 100)
    first = list(one)
    assert list(one) == first
    assert sorted(draw.face for draw in first) == list(range(100))
    assert len(one) == 100
    assert len({draw.seed for draw in first}) == 100
    one.epoch = 1
    second = list(one)
    assert [d.face for d in first] != [d.face for d in second]
    assert not {d.seed for d in first} & {d.seed for d in second}
    assert list(sampler([REAL, FAKE] * 50, ["g"] * 100, seed=1)) != first


@pytest.mark.parametrize("more", [REAL, FAKE])
def test_balanced_pairs_share_their_group_where_it_has_both(more: int) -> None:
    """Ten groups with one face of the rarer class and four of the other; an eleventh has none of
    the rarer one."""
    labels = [1 - more] * 10 + [more] * 44
    groups = [f"g{n}" for n in range(10)] + [f"g{n % 11}" for n in range(44)]
    one = sampler(labels, groups, balance=True)
    draws = list(one)
    assert len(draws) == len(one) == 88
    shown = Counter(draw.face for draw in draws)
    assert all(shown[face] == 1 for face in range(10, 54))
    assert min(shown[face] for face in range(10)) >= 4
    for real, fake in zip(draws[::2], draws[1::2], strict=True):
        assert (labels[real.face], labels[fake.face]) == (REAL, FAKE)
        pair = {groups[real.face], groups[fake.face]}
        assert len(pair) == 1 or "g10" in pair


def test_without_pairs_real_faces_become_blends_and_others_are_altered_as_often() -> None:
    labels = [REAL] * 2000 + [FAKE] * 1000
    draws = list(sampler(labels, ["g"] * 3000, blend=0.25))
    blends, reals, plain = (
        [draw for draw in draws if draw.look == look] for look in ("blend", "real", "plain")
    )
    assert len(blends) == pytest.approx(500, abs=60)
    # 500 of 1,500 fakes are blends: so are a third of the other 1,500 real faces altered.
    assert len(reals) == pytest.approx(500, abs=60)
    assert all(labels[draw.face] == REAL for draw in blends + reals)
    assert sorted(draw.face for draw in draws) == list(range(3000))
    assert sum(labels[draw.face] == FAKE for draw in plain) == 1000


def test_in_pairs_a_blend_replaces_the_fake_of_its_real_face_and_shares_its_seed() -> None:
    labels = [REAL, FAKE] * 200
    draws = list(sampler(labels, [str(n // 2) for n in range(400)], balance=True, blend=0.5))
    pairs = list(zip(draws[::2], draws[1::2], strict=True))
    blended = [(real, fake) for real, fake in pairs if fake.look == "blend"]
    assert 60 < len(blended) < 140
    assert all(real.look == "real" and labels[real.face] == REAL for real, _ in blended)
    assert all((real.face, real.seed) == (fake.face, fake.seed) for real, fake in blended)
    others = [pair for pair in pairs if pair not in blended]
    assert all((real.look, fake.look) == ("plain", "plain") for real, fake in others)
    assert all(labels[fake.face] == FAKE and real.seed != fake.seed for real, fake in others)
