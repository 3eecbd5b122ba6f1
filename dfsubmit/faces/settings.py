"""What the pool tells its workers about scanning.

Apart from `scan.py` so that the parent process need not import OpenCV and dlib.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dfsubmit.faces.preprocess import Preprocessor
from dfsubmit.media.limits import Limits
from dfsubmit.recipe import Recipe


@dataclass(frozen=True)
class DetectorPlugin:
    """Where a worker finds a detector that is not built in, since code does not travel.

    Attributes:
        source: "installed" or "file".
        plugin: the distribution with the entry point, or the plugin's file.
    """

    source: str
    plugin: str


@dataclass(frozen=True)
class ScanSettings:
    """What holds for every file of a run.

    Attributes:
        recipe: frames, detection and crop.
        resize: resizes crops to the model's input; None leaves them as they were cut.
        no_face: "whole-frame" takes the whole frames of a file in which no face was found;
            "fail" gives it the status no_face.
        limits: what one file may ask of this machine.
        detector: where the recipe's detector comes from; None where it is built in.
    """

    recipe: Recipe
    resize: Preprocessor | None = None
    no_face: str = "fail"
    limits: Limits = field(default_factory=Limits)
    detector: DetectorPlugin | None = None
