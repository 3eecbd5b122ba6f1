"""Where the model looked, drawn over some faces of the files that matter most.

In: a model folder and faces as the model is given them. Out: pictures of maps over faces: Grad-CAM,
its control and, of plain ViTs, attention rollout. They are drawn here; what they mean is said in
`report.attention` and on the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dfsubmit.console import printable
from dfsubmit.errors import UsageError
from dfsubmit.faces.pictures import encode
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.libraries import load_cv2
from dfsubmit.models.fakeclass import resolve_fake_class
from dfsubmit.models.folder import open_model
from dfsubmit.records import MediaFile, Pixels
from dfsubmit.report.attention import Maps, attention_maps
from dfsubmit.report.collect import take_crops
from dfsubmit.report.content import Entry

SIDE = 144
_STRENGTH = 0.65
"""How far the colour of a map's highest value covers the face."""


@dataclass(frozen=True)
class Drawn:
    """Maps over one face, as WebP: Grad-CAM, its control, and attention rollout or None."""

    index: int
    time: float
    map: bytes = field(repr=False)
    control: bytes = field(repr=False)
    rollout: bytes | None = field(repr=False)


def most_wanted(entries: Sequence[Entry], count: int) -> list[Entry]:
    """The files to look into: wrong ones first, then those nearest the threshold."""
    scored = [entry for entry in entries if entry.result.frames]
    return sorted(scored, key=lambda entry: entry.matters)[:count]


def draw_heatmaps(
    model: Path,
    meta: Mapping[str, Any],
    files: Mapping[int, MediaFile],
    settings: ScanSettings,
    progress: bool,
) -> dict[int, list[Drawn]]:
    """Maps of a few faces of each file, by the files' numbers.

    Args:
        model: the run's model folder, or a zip of one.
        meta: of the run.
        files: to look into, by number.
        settings: as the run scanned, with the model's resize.
        progress: show a progress bar on stderr.

    Raises:
        UsageError: the model is another one than the run's.
        ModelError: it cannot be loaded, or has no such maps.
    """
    folder = open_model(model)
    told = meta.get("model") or {}
    if told.get("sha256") not in (None, folder.sha256):
        raise UsageError(
            f"{model} is not the model of the run, which was {printable(str(told.get('name')))}",
            "give the folder that the run was made with: --model DIR",
        )
    fake_index = resolve_fake_class(folder.id2label, told.get("fake_class"))
    faces = take_crops(files, settings, progress)
    flat = [(number, face) for number, found in faces.items() for face in found]
    if not flat:
        return {}
    crops = np.stack([face.crop for _, face in flat])
    looks = attention_maps(folder.path, crops, fake_index)
    drawn: dict[int, list[Drawn]] = {}
    for row, ((number, face), crop) in enumerate(zip(flat, crops, strict=True)):
        rolled = None if looks.rollout is None else over(crop, looks.rollout[row])
        maps = over(crop, looks.maps[row]), over(crop, looks.control[row]), rolled
        drawn.setdefault(number, []).append(Drawn(face.index, face.time, *maps))
    return drawn


def over(crop: Pixels, values: Maps) -> bytes:
    """A map over a face, as WebP: the higher a value, the more its colour covers.

    Args:
        crop: RGB uint8 (h, w, 3).
        values: float32 (h, w) from 0 to 1.
    """
    cv2 = load_cv2()
    # Inferno's lightness rises with the value, so colour-blind readers see the same order.
    bgr = cv2.applyColorMap((values * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    colour = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.float32)
    share = _STRENGTH * values[:, :, None]
    mixed = crop.astype(np.float32) * (1 - share) + colour * share
    return encode(mixed.round().astype(np.uint8), SIDE)
