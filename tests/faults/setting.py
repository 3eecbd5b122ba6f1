"""What every part of the fault suite starts from: media, a model, `dfsubmit run`, a tally."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dfsubmit.recipe import RECIPE_FILE, Recipe
from dfsubmit.samples import make_samples

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
LARGEST_SOURCE = 500_000
# Small pictures for the detector: what is tested is not how well it sees.
RECIPE = Recipe(name="faults", frames=4, detection_width=160, upsampling=0)


@dataclass
class Tally:
    """What one part came to.

    Attributes:
        name: of the part.
        cases: files damaged, runs killed …
        survived: cases that went as they should.
        rows_lost: rows that are missing or wrong in a submission that should have them.
        hangs: cases that did not end by themselves in time.
        notes: figures and the first things that went wrong, a line each.
        skipped: why the part could not run here; empty when it did.
    """

    name: str
    cases: int = 0
    survived: int = 0
    rows_lost: int = 0
    hangs: int = 0
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    skipped: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing was lost, nothing hung and every case survived, if it was run at all."""
        lost = self.rows_lost or self.hangs or self.cases != self.survived
        return bool(self.skipped) or not lost

    def failed(self, note: str) -> None:
        """Note a case that did not survive."""
        self.notes.append(f"FAILED: {note}")


def sources(folder: Path) -> list[Path]:
    """Media to damage: the samples and, where they are there, the smaller research files."""
    make_samples(folder)
    shared = Path(os.environ.get("DFSUBMIT_SHARED", REPOSITORY.parent / "shared"))
    media = shared / "data" / "media"
    return sorted(folder.iterdir()) + sorted(
        path
        for path in media.rglob("*")
        if path.is_file() and path.suffix != ".tsv" and path.stat().st_size <= LARGEST_SOURCE
    )


def make_model(folder: Path) -> Path:
    """A model folder for `loader/linear.py`."""
    folder.mkdir(parents=True)
    config = {"id2label": {"0": "Real", "1": "Fake"}}
    (folder / "config.json").write_text(json.dumps(config))
    preprocessor = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": 64, "width": 64},
        "resample": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    (folder / RECIPE_FILE).write_text(RECIPE.to_json())
    return folder


def run_command(data: Path, model: Path, output: Path, *more: str) -> list[str]:
    """``dfsubmit run`` with two workers and the linear model."""
    return [
        *(sys.executable, "-m", "dfsubmit", "run", str(data), "--model", str(model)),
        *("--output", str(output), "--plugins-dir", str(HERE / "loader"), "--loader", "linear"),
        *("--no-fallback", "--no-progress", "--workers", "2", "--max-failures", "100%"),
        *("--no-face", "whole-frame", *more),
    ]


def start(command: Sequence[str], cwd: Path | None = None) -> subprocess.Popen[str]:
    """The command as a process whose output is kept."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path[1:]])},
    )


def finish(process: subprocess.Popen[str], seconds: float) -> tuple[int | None, str]:
    """Its exit code, None when it had to be killed for not ending, and its output."""
    try:
        text, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        text, _ = process.communicate()
        return None, text
    return process.returncode, text
