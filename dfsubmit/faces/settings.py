"""The settings that the pool sends to its workers.

Separate from `scan.py`, so that the parent process need not import OpenCV and dlib.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.media.limits import Limits
from dfsubmit.recipe import Recipe


@dataclass(frozen=True)
class DetectorPlugin:
    """Where a worker finds a detector that is not built in; code is not sent to workers.

    Attributes:
        source: "installed" or "file".
        plugin: the distribution with the entry point, or the plugin's file.
    """

    source: str
    plugin: str


@dataclass(frozen=True)
class ScanSettings:
    """The scan settings for all files of a run.

    Attributes:
        recipe: frames, detection and crop.
        resize: resizes crops to the model's input; None leaves them as they were cut.
        no_face: "whole-frame" takes the whole frames of a file in which no face was found;
            "fail" gives it the status no_face.
        limits: the resource limits for one file.
        detector: where the recipe's detector comes from; None if it is built in.
    """

    recipe: Recipe
    resize: Preprocessor | None = None
    no_face: str = "fail"
    limits: Limits = field(default_factory=Limits)
    detector: DetectorPlugin | None = None
