"""What an interrupted fine-tuning leaves behind, and how the next one goes on from it.

``OUTPUT/checkpoints/`` holds the settings (`SETTINGS`), the Trainer's last checkpoints, and the
best weights so far with their figures. It is removed when the model folder is complete.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.errors import UsageError
from dfsubmit.files import write_atomically

COMPLETE = "complete.json"
AVERAGE = "average.safetensors"
SETTINGS = "settings.json"


@dataclass(frozen=True)
class Checkpoints:
    """The folder of one fine-tuning's checkpoints."""

    folder: Path

    @property
    def best_weights(self) -> Path:
        """The weights of the best evaluation so far."""
        return self.folder / "best.safetensors"

    @property
    def best_facts(self) -> Path:
        """Its step and its figure."""
        return self.folder / "best.json"

    def open(self, settings: dict[str, Any]) -> Path | None:
        """Prepare the folder for a fine-tuning with these settings.

        Returns:
            the checkpoint to resume from, or None for a fresh start.

        Raises:
            UsageError: the folder belongs to a fine-tuning with other settings.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = self.folder / SETTINGS
        settings = json.loads(json.dumps(settings))
        if kept.exists():
            before = json.loads(kept.read_text(encoding="utf-8"))
            changed = sorted(
                key for key in {*before, *settings} if before.get(key) != settings.get(key)
            )
            if changed:
                raise UsageError(
                    f"{self.folder} is of an interrupted fine-tuning with another "
                    + ", ".join(changed),
                    "repeat its options to go on with it, or remove that folder to start anew",
                )
        last = self.last()
        if last is None:
            self.best_weights.unlink(missing_ok=True)
            self.best_facts.unlink(missing_ok=True)
        write_atomically(kept, json.dumps(settings, indent=2) + "\n")
        return last

    def last(self) -> Path | None:
        """The newest checkpoint that was written to its end."""
        whole = [path.parent for path in self.folder.glob(f"checkpoint-*/{COMPLETE}")]
        return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)

    def complete(self, step: int, seconds: float) -> None:
        """Mark the checkpoint of a step as whole, with the seconds spent until then."""
        folder = self.folder / f"checkpoint-{step}"
        write_atomically(folder / COMPLETE, json.dumps({"seconds": seconds}))

    def seconds(self, checkpoint: Path | None) -> float:
        """The seconds that a resumed fine-tuning had spent before."""
        if checkpoint is None:
            return 0.0
        return float(json.loads((checkpoint / COMPLETE).read_text(encoding="utf-8"))["seconds"])

    def remove(self) -> None:
        """Remove the folder: the model is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)
