"""Which frames of a video are visited, and in which order."""

from __future__ import annotations

import numpy as np


def sample_indices(decodable: int, frames: int) -> list[int]:
    """Evenly spaced frame numbers, first and last included, each once.

    ``np.unique(np.linspace(0, decodable - 1, frames, dtype=int))``; empty for no frames.
    """
    if decodable <= 0:
        return []
    indices = np.unique(np.linspace(0, decodable - 1, frames, dtype=int))
    return [int(index) for index in indices]


def coarse_to_fine(count: int) -> list[int]:
    """The positions 0 to count - 1, in an order in which every prefix is evenly spread.

    The van der Corput sequence in base 2, scaled: 0, 1/2, 1/4, 3/4, 1/8 … (J. G. van der Corput,
    "Verteilungsfunktionen", 1935).
    """
    if not count:
        return []
    order: dict[int, None] = {}
    bits = (count - 1).bit_length()
    for number in range(2**bits):
        reversed_bits = int(format(number, f"0{bits}b")[::-1], 2) if bits else 0
        order.setdefault(reversed_bits * count >> bits)
    return list(order)


def visiting_order(sample: list[int], keep: int | None = None) -> list[int]:
    """The sample's frame numbers coarse to fine, at most `keep` of them (at least one)."""
    order = [sample[position] for position in coarse_to_fine(len(sample))]
    return order if keep is None else order[: max(keep, 1)]
