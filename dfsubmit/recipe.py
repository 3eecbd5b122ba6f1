"""The `Recipe`: all settings that must be equal for comparable results, as one frozen record.

The number of frames, how they are sampled, and how faces are detected, chosen and cropped.
Fine-tuning saves it in the model folder (``dfsubmit_recipe.json``), and every run of that model
uses it, so that faces are cut for inference as they were for fine-tuning.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.errors import UsageError, did_you_mean

RECIPE_FILE = "dfsubmit_recipe.json"
RECIPE_VERSION = 1
BUILT_IN_DETECTOR = "dlib-hog"
_PARAMETER = r"[^\s:,=]+=[^\s:,=]+"
_DETECTOR = re.compile(rf"[^\s:,=]+(:{_PARAMETER}(,{_PARAMETER})*)?")

_CHOICES: dict[str, tuple[str | None, ...]] = {
    "sampling": ("even",),
    "tracking": ("none", "anchored"),
    "face_choice": ("largest",),
    "align": ("none", "eyes"),
    "crop_shape": ("box", "square"),
    "resampling": (None, "nearest", "bilinear", "bicubic", "lanczos"),
}


@dataclass(frozen=True)
class Recipe:
    """How faces are taken from a file.

    Attributes:
        name: for people; two recipes are the same when all other fields agree.
        frames: frames per video (≥ 1); an image has one.
        sampling: "even": ``np.unique(np.linspace(0, N-1, frames, dtype=int))`` of the N frames
            that decode.
        detector: "dlib-hog" (dlib's frontal face detector); "none": the whole frame is the
            face, for pictures that are face crops already; or what a plugin registers, with its
            parameters: ``name:key=value,key=value``.
        detection_width: frames wider than this many pixels are reduced to it for detection.
        upsampling: how often the detector doubles the image before it searches.
        tracking: "none" searches every frame whole; "anchored" searches fixed anchor frames whole
            and the others around the nearest anchor's face, whole again on a miss
            ("dlib-hog" alone).
        face_choice: "largest": the box with the largest area.
        align: "none", or "eyes": the face is turned and scaled so that its eyes, nose and mouth
            come to lie where `cropping.TEMPLATE` has them; needs a detector with landmarks. The
            template's square then takes the place of the box.
        margin: with crop_shape "box", the share of the box's width added left and right and of
            its height above and below; with "square", the share of the longer side added in all.
            Negative values cut into the box.
        crop_shape: "box" keeps the box's proportions; "square" is the organiser's crop, moved at
            the left and top border and shrunk at the right and bottom one.
        output_size: side in pixels that crops are resized to *before* the model's own processor;
            None leaves the only resize to the processor.
        resampling: the filter of that first resize; None where there is none (an aligned face is
            then turned bilinearly, at the frame's own scale).
        version: of this record's format.
    """

    name: str = "dfsubmit"
    frames: int = 40
    sampling: str = "even"
    detector: str = "dlib-hog"
    detection_width: int = 640
    upsampling: int = 1
    tracking: str = "none"
    face_choice: str = "largest"
    margin: float = 0.4
    crop_shape: str = "box"
    output_size: int | None = None
    resampling: str | None = None
    version: int = RECIPE_VERSION
    align: str = "none"

    def __post_init__(self) -> None:
        for key, kind in _KINDS.items():
            value = getattr(self, key)
            # bool is an int in Python, but `"frames": true` is a slip, not a number of frames.
            if isinstance(value, bool) or not isinstance(value, kind):
                raise UsageError(f"recipe: {key} has the wrong type: {value!r}")
        for key, allowed in _CHOICES.items():
            if getattr(self, key) not in allowed:
                names = [str(choice) for choice in allowed]
                raise UsageError(
                    f"recipe: {key} is {getattr(self, key)!r}",
                    did_you_mean(str(getattr(self, key)), names),
                )
        if not _DETECTOR.fullmatch(self.detector):
            raise UsageError(
                f"recipe: detector is {self.detector!r}", "expected NAME or NAME:key=value,…"
            )
        if self.tracking != "none" and self.detector not in (BUILT_IN_DETECTOR, "none"):
            raise UsageError(
                f"recipe: tracking {self.tracking!r} goes by {BUILT_IN_DETECTOR}'s scores, and the "
                f"detector is {self.detector!r}",
                'take tracking "none"',
            )
        for key, low, high in (
            ("frames", 1, 100_000),
            ("detection_width", 32, 100_000),
            ("upsampling", 0, 4),
            ("margin", -0.45, 10.0),
        ):
            # Written so that NaN, which compares false with everything, is refused too.
            if not low <= getattr(self, key) <= high:
                value = getattr(self, key)
                raise UsageError(f"recipe: {key} is {value!r}; from {low} to {high} is possible")
        if self.output_size is not None and not 1 <= self.output_size <= 10_000:
            raise UsageError(f"recipe: output_size is {self.output_size!r}; 1 to 10000, or null")
        if (self.output_size is None) != (self.resampling is None):
            raise UsageError("recipe: output_size and resampling are given together, or neither")
        if self.version != RECIPE_VERSION:
            raise UsageError(
                f"recipe: version {self.version} is not {RECIPE_VERSION}",
                "the recipe was written by another release of dfsubmit: install that one",
            )

    def to_json(self) -> str:
        """The recipe as indented JSON with a final newline."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON types; `from_dict` reads them back.

        `align` is left out where it is "none": what older releases wrote and read stays the same.
        """
        data = dataclasses.asdict(self)
        if self.align == "none":
            del data["align"]
        return data

    @classmethod
    def from_dict(cls, data: Any) -> Recipe:
        """A recipe from a JSON object; missing keys take the default recipe's values.

        Raises:
            UsageError: not an object, an unknown key, or an invalid value.
        """
        if not isinstance(data, dict):
            raise UsageError(f"recipe: expected an object, found {type(data).__name__}")
        known = {item.name for item in dataclasses.fields(cls)}
        for key in data:
            if key not in known:
                raise UsageError(f"recipe: unknown key {key!r}", did_you_mean(str(key), known))
        return cls(**data)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The inverse of `to_json`.

        Raises:
            UsageError: the text is not JSON, or not a recipe.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"recipe: not valid JSON: {error}") from error
        return cls.from_dict(data)

    def differences(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """The fields that differ, except for the name: ``{"margin": (0.4, 0.3)}``."""
        return {
            item.name: (getattr(self, item.name), getattr(other, item.name))
            for item in dataclasses.fields(self)
            if item.name != "name" and getattr(self, item.name) != getattr(other, item.name)
        }


_KINDS: dict[str, Any] = {
    "name": str,
    "frames": int,
    "sampling": str,
    "detector": str,
    "detection_width": int,
    "upsampling": int,
    "tracking": str,
    "face_choice": str,
    "align": str,
    "margin": (int, float),
    "crop_shape": str,
    "output_size": (int, type(None)),
    "resampling": (str, type(None)),
    "version": int,
}

BUILT_IN: dict[str, Recipe] = {
    "dfsubmit": Recipe(),
    "dfsubmit-fast": Recipe(name="dfsubmit-fast", tracking="anchored"),
    "organiser-baseline": Recipe(
        name="organiser-baseline",
        frames=30,
        margin=0.3,
        crop_shape="square",
        output_size=224,
        resampling="bicubic",
    ),
    # SCLBD/DeepfakeBench, preprocessing/preprocess.py and config.yaml (Yan et al., NeurIPS 2023).
    "deepfakebench": Recipe(
        name="deepfakebench",
        frames=32,
        detector="dlib-hog-68",
        detection_width=1920,
        align="eyes",
        margin=0.3,
        crop_shape="square",
        output_size=256,
        resampling="bilinear",
    ),
}


def load_recipe(name_or_file: str | os.PathLike[str]) -> Recipe:
    """A built-in recipe by name, or one from a JSON file or from a model folder.

    Raises:
        UsageError: neither a built-in name nor a readable recipe.
    """
    if isinstance(name_or_file, str) and name_or_file in BUILT_IN:
        return BUILT_IN[name_or_file]
    path = Path(name_or_file)
    if os.path.isdir(path):
        path = path / RECIPE_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        if path.suffix == ".json" or os.path.exists(path):
            raise UsageError(f"recipe {path}: {error}") from error
        hint = did_you_mean(str(name_or_file), BUILT_IN)
        raise UsageError(f"there is no recipe {str(name_or_file)!r}", hint) from error
    try:
        return Recipe.from_json(text)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", error.hint) from error
