"""Landmarks as text for the index and the journal: ``x y x y …`` in crop pixels, one decimal.

As text they take a tenth of the memory of Python numbers, and a data set has 100,000s.
"""

from __future__ import annotations

import numpy as np

from dfsubmit.records import FloatArray


def write_landmarks(landmarks: FloatArray | None) -> str:
    """(n, 2) → text; empty where there are none."""
    return "" if landmarks is None else " ".join(f"{number:.1f}" for number in landmarks.flat)


def read_landmarks(text: str) -> FloatArray | None:
    """The inverse of `write_landmarks`.

    Raises:
        ValueError: it is not pairs of finite numbers.
    """
    if not text:
        return None
    numbers = np.array([float(number) for number in text.split()])
    if not np.isfinite(numbers).all():
        raise ValueError("its landmarks are not numbers")
    return numbers.reshape(-1, 2)
