"""Which faces an epoch shows, in which order, and which of them are blended with themselves.

A `Draw` says all that a worker process needs to make one example, its random seed included. So an
example depends on the run's seed, the epoch and its place in it, and on nothing else: a run that
was killed and resumed sees what the uninterrupted one sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from dfsubmit.extraction.index import FaceRow
from dfsubmit.labels import FAKE, REAL

Look = Literal["plain", "real", "blend"]


class Draw(NamedTuple):
    """One example to be made.

    Attributes:
        face: the position of the face.
        look: "plain", or which of the two pictures of `self_blend`.
        seed: of all that happens to it; in a pair a blend and its real picture share it.
    """

    face: int
    look: Look
    seed: tuple[int, int, int]


class FaceSampler:
    """One epoch of faces after another.

    Args:
        rows: the faces to learn from.
        groups: the identity group of each.
        balance: as many fake as real faces, each fake beside a real face of its own group where the
            group has one: what differs within a pair is then the manipulation, not the person.
            (Real and fake frames of one source in one batch: Cozzolino et al., Shiohara and
            Yamasaki, CVPR 2022, and others train so.)
        self_blend: the share of examples of a class that are self-blended images (see
            `self_blend`, which also makes the real picture that belongs to a blend). With
            `balance` the fake of a pair gives way to a blend of the real face beside it, which
            becomes that blend's real picture. Without, a real face becomes a blend with this
            probability, and of the other real faces as large a share is altered as of the fakes:
            whether a picture was altered says nothing about its class.
        seed: of every random choice.

    Attributes:
        epoch: the epoch that the next iteration shows; the trainer sets it.
    """

    def __init__(
        self,
        rows: Sequence[FaceRow],
        groups: Sequence[str],
        balance: bool,
        self_blend: float,
        seed: int,
    ) -> None:
        self.labels = np.array([row.label for row in rows])
        self.groups = list(groups)
        self.balance = balance
        self.self_blend = self_blend
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        if not self.balance:
            return len(self.labels)
        return 2 * int(np.bincount(self.labels, minlength=2).max())

    def __iter__(self) -> Iterator[Draw]:
        chance = np.random.default_rng((self.seed, self.epoch))
        order = np.array(
            self._pairs(chance) if self.balance else chance.permutation(len(self.labels)), int
        )
        fake = self.labels[order] == FAKE
        blends = (chance.random(len(order)) < self.self_blend) & (fake == self.balance)
        if self.balance:
            reals = np.roll(blends, -1)
        else:
            share = blends.sum() / max(1, (fake | blends).sum())
            reals = ~fake & ~blends & (chance.random(len(order)) < share)
        for place in range(len(order)):
            look: Look = "blend" if blends[place] else "real" if reals[place] else "plain"
            source = place - 1 if self.balance and blends[place] else place
            yield Draw(int(order[source]), look, (self.seed, self.epoch, source))

    def _pairs(self, chance: np.random.Generator) -> list[int]:
        """A real face, then its fake, then the next real one. Every face of the larger class
        comes once, those of the smaller one as evenly as their groups allow."""
        reals, fakes = (np.flatnonzero(self.labels == label) for label in (REAL, FAKE))
        larger, smaller = (fakes, reals) if len(fakes) >= len(reals) else (reals, fakes)
        anyone = _Deck(smaller, chance)
        decks: dict[str, _Deck] = {}
        for face in smaller:
            decks.setdefault(self.groups[face], _Deck([], chance)).faces.append(int(face))
        order: list[int] = []
        for face in chance.permutation(larger):
            partner = decks.get(self.groups[face], anyone).deal()
            pair = (partner, int(face))
            order += pair if larger is fakes else pair[::-1]
        return order


class _Deck:
    """Faces dealt at random, each once before any comes again."""

    def __init__(
        self, faces: Sequence[int] | npt.NDArray[Any], chance: np.random.Generator
    ) -> None:
        self.faces = [int(face) for face in faces]
        self.chance = chance
        self.left: list[int] = []

    def deal(self) -> int:
        if not self.left:
            self.left = [self.faces[i] for i in self.chance.permutation(len(self.faces))]
        return self.left.pop()
