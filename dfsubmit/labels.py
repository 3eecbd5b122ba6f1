"""The two labels, by number, by name and by folder.

Imports nothing, not even NumPy: the command line names labels in its help.
"""

from __future__ import annotations

REAL, FAKE = 0, 1
"""The two labels of ``submission.csv``."""

LABELS = {"real": REAL, "fake": FAKE}
"""The labels by name."""
LABEL_NAMES = {label: name for name, label in LABELS.items()}
"""Their names, by label."""


def read_label(text: str) -> int | None:
    """The label that people write as real, fake, 0 or 1, in any case; None for anything else."""
    words = LABELS | {str(label): label for label in LABEL_NAMES}
    return words.get(text.strip().casefold())


def label_of_folder(name: str) -> int | None:
    """The label of a file by the folder called real or fake, in any case, that it lies in.

    Args:
        name: a path with slashes; of several such folders the nearest to the file counts.

    >>> label_of_folder("part1/fake/clip.mp4"), label_of_folder("clip.mp4")
    (1, None)
    """
    labels = (LABELS.get(folder.lower()) for folder in reversed(name.split("/")[:-1]))
    return next((label for label in labels if label is not None), None)
