"""What the parts of the check share: the media, the models, the clock, a run of the command."""

from __future__ import annotations

import functools
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.card import Usage
from benchmarks.measure import measure
from benchmarks.model import make_model
from benchmarks.scaling import make_clip
from dfsubmit.faces.preprocess import load_preprocessor
from dfsubmit.faces.scan import Scanner
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.media.listing import list_media
from dfsubmit.recipe import Recipe
from dfsubmit.records import Face, Pixels

CLIP_SECONDS, CLIP_HEIGHT = 3, 360


@dataclass(frozen=True)
class Bench:
    """Where everything lies, and until when the check may run.

    Attributes:
        device: "cuda", or "cpu" to try the check itself out.
        out: the folder of everything that is made.
        clips: how many clips `media` holds.
        end: on `time.monotonic`'s clock; a part that does not fit before it is left out.
        faces: how many faces `crops` gives.
    """

    device: str
    out: Path
    clips: int
    end: float
    faces: int = 64

    @property
    def media(self) -> Path:
        """The clips."""
        return self.out / "media"

    @property
    def models(self) -> dict[str, Path]:
        """The model folders: a ViT of random weights, and the small model if it is there."""
        small = Path(__file__).resolve().parents[2] / "models/tiny-vit-demo"
        models = {"random ViT": self.out / "model"}
        return models | ({"small model": small} if small.is_dir() else {})

    def left(self) -> float:
        """Seconds until the end."""
        return self.end - time.monotonic()

    def prepare(self, source: Path | None, size: str) -> None:
        """Make the clips and the model.

        Args:
            source: videos to copy, over and over until there are enough; None makes a clip from
                a public-domain photograph.
            size: of the ViT: "base" or "tiny".
        """
        self.media.mkdir(parents=True)
        if source is None:
            first = self.out / "clip.mp4"
            make_clip(first, CLIP_SECONDS, CLIP_HEIGHT)
            videos = [first]
        else:
            videos = sorted(source.glob("*.mp4"))
        for number in range(self.clips):
            shutil.copy(videos[number % len(videos)], self.media / f"clip{number:03}.mp4")
        make_model(self.models["random ViT"], self.media, size=size)

    def crops(self, model: Path) -> Pixels:
        """`faces` face crops of the clips as the model takes them, uint8 (n, h, w, 3)."""
        return _crops(self.media, model, self.faces)

    def run(self, name: str, *options: str, model: Path | None = None) -> dict[str, Any]:
        """`dfsubmit run` over the clips, on the device.

        Args:
            name: of the folder in `out` that takes its outputs.
            options: of the command, after the model and the output.
            model: default: the random ViT.

        Raises:
            RuntimeError: it failed; names the log.
        """
        command = self.command(name, *options, model=model)
        with Usage() as usage:
            cost = measure(command, self.out / name / "log.txt")
        meta = json.loads((self.out / name / "submission.meta.json").read_text())
        return {**summary(meta), "wall": cost.wall, "peak": cost.peak, "GPU idle": usage.idle}

    def command(self, name: str, *options: str, model: Path | None = None) -> list[str]:
        """The words of that command; makes the folder of its outputs."""
        folder = self.out / name
        folder.mkdir(exist_ok=True)
        words = ["-m", "dfsubmit", "run", self.media, "--model", model or self.models["random ViT"]]
        words += ["--output", folder / "submission.csv", "--device", self.device]
        words += ["--loader", "huggingface", "--no-fallback", "--max-failures", "100%", *options]
        return [sys.executable, *map(str, words)]

    def labels(self, name: str) -> str:
        """The CSV that a run wrote."""
        return (self.out / name / "submission.csv").read_text()


def summary(meta: dict[str, Any]) -> dict[str, Any]:
    """What the check keeps of a run's metadata: files a minute without the loading, and which
    share of the workers' time is detection's."""
    seconds = meta["seconds"]
    running = max(seconds["total"] - seconds["load"], 1e-9)
    work = seconds["decode"] + seconds["detect"]
    return {
        "files/min": 60 * meta["files"] / running,
        "load": seconds["load"],
        "detection's share of the workers": seconds["detect"] / max(work, 1e-9),
        "model at work": seconds["classify"] / running,
        "device": meta["device"],
        "precision": meta["precision"],
    }


@functools.cache
def _crops(media: Path, model: Path, count: int) -> Pixels:
    faces: list[Face] = []
    scanner = Scanner(ScanSettings(Recipe(), load_preprocessor(model)))
    for file in list_media(media):
        scanner.scan(file, faces.append)
        if len(faces) >= count:
            break
    chosen = faces[:: max(len(faces) // count, 1)][:count]
    return np.stack([face.crop for face in chosen])


def best(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The row with the most files a minute."""
    return max(rows, key=lambda row: float(row["files/min"]))
