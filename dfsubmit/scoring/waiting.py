"""Where the time of a run goes that is not work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Waiting:
    """Which side waited for the other, in seconds.

    Attributes:
        load: nothing could begin before the model was loaded (and, for int8, calibrated).
        model: the model had no faces to classify.
        workers: the queue was full and the workers had to stop.
        classify: the model was at work.
    """

    load: float = 0.0
    model: float = 0.0
    workers: float = 0.0
    classify: float = 0.0
