"""The checkpoints of a fine-tuning, and how an interrupted one resumes from them.

``OUTPUT/checkpoints/`` holds the settings (`SETTINGS`), the Trainer's last checkpoints, and the
best weights so far with their figure (`BEST`). Checkpoints and best weights carry checksums: a
damaged checkpoint is skipped, and the previous one is used. The folder is removed when the model
folder is complete.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.errors import UsageError
from dfsubmit.files import file_sha256, relative_files, write_atomically

COMPLETE = "complete.json"
AVERAGE = "average.safetensors"
SETTINGS = "settings.json"
BEST = "best.json"

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Best:
    """The best evaluation so far.

    Attributes:
        step: of the evaluation.
        figure: the metric by which it is the best.
        sha256: of its weights.
    """

    step: int
    figure: float
    sha256: str

    @classmethod
    def read(cls, facts: Any) -> Best:
        """From JSON.

        Raises:
            ValueError: it is something else.
        """
        match facts:
            case {"step": int(step), "figure": float(figure), "sha256": str(sha256)} if (
                step >= 0 and math.isfinite(figure)
            ):
                return cls(step, figure, sha256)
        raise ValueError("not the facts of an evaluation")


@dataclass(frozen=True)
class Checkpoints:
    """The folder of one fine-tuning's checkpoints."""

    folder: Path

    def open(self, settings: dict[str, Any], warn: Warn) -> Path | None:
        """Prepare the folder for a fine-tuning with these settings.

        Args:
            settings: the settings common to all runs that make one model.
            warn: receives messages about damage that was skipped or repaired.

        Returns:
            the newest intact checkpoint, to resume from, or None for a fresh start.

        Raises:
            UsageError: the folder belongs to a fine-tuning with other settings, or its damage
                cannot be repaired.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = json.loads(json.dumps(settings))
        found = self._complete()
        self._check_settings(settings, bool(found))
        damaged: dict[Path, str] = {}
        last = None
        for checkpoint in found:
            damage = self._damage(checkpoint)
            if not damage:
                last = checkpoint
                break
            damaged[checkpoint] = damage
        if last is None:
            if damaged:
                listing = "; ".join(f"{path.name}: {damage}" for path, damage in damaged.items())
                raise self._beyond_repair(f"holds no intact checkpoint ({listing})")
            for leftover in self.folder.glob("best*"):
                leftover.unlink()
        else:
            self._settle_best(last, warn)
            for checkpoint, damage in damaged.items():
                warn(
                    f"{checkpoint} is damaged ({damage}): "
                    f"it is removed, and the run goes on from {last.name}"
                )
                shutil.rmtree(checkpoint)
        write_atomically(self.folder / SETTINGS, json.dumps(settings, indent=2) + "\n")
        return last

    def last(self) -> Path | None:
        """The newest checkpoint that is complete and intact."""
        return next((path for path in self._complete() if not self._damage(path)), None)

    def complete(self, step: int, seconds: float) -> None:
        """Mark the checkpoint of a step as complete, with the seconds spent until then."""
        folder = self.folder / f"checkpoint-{step}"
        best = self.best()
        facts = {
            "seconds": seconds,
            "sha256": _checksums(folder),
            "best": vars(best) if best else None,  # in case that the other copy is lost
        }
        write_atomically(folder / COMPLETE, json.dumps(facts))

    def seconds(self, checkpoint: Path | None) -> float:
        """The seconds that a resumed fine-tuning had spent before."""
        return float(_read(checkpoint / COMPLETE)["seconds"]) if checkpoint else 0.0

    def best(self) -> Best | None:
        """The best evaluation so far; None before the first one.

        Raises:
            UsageError: what says so is damaged.
        """
        path = self.folder / BEST
        try:
            return Best.read(_read(path)) if path.exists() else None
        except (OSError, ValueError) as error:
            raise self._beyond_repair(f"has a damaged {BEST} ({error})") from error

    def keep_best(self, step: int, figure: float, save: Callable[[Path], None]) -> None:
        """Keep the weights of an evaluation as the best ones.

        Args:
            step, figure: of the evaluation.
            save: writes them.
        """
        weights = self._weights(step)
        save(weights)
        # One step from the old ones to the new ones: until here, the old ones are there as well.
        facts = Best(step, float(figure), file_sha256(weights))
        write_atomically(self.folder / BEST, json.dumps(vars(facts)))
        for path in self.folder.glob("best-*.safetensors"):
            if path != weights:
                path.unlink()

    def best_weights(self) -> Path:
        """The weights of the best evaluation.

        Raises:
            UsageError: they are missing or damaged.
        """
        best = self.best()
        if best is None:
            raise self._beyond_repair(f"has no {BEST}")
        path = self._weights(best.step)
        if not _is_intact(path, best.sha256):
            raise self._beyond_repair(f"misses the best weights: {path.name} is gone or damaged")
        return path

    def remove(self) -> None:
        """Remove the folder: the model is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _weights(self, step: int) -> Path:
        return self.folder / f"best-{step}.safetensors"

    def _complete(self) -> list[Path]:
        """The complete checkpoints, the newest first."""
        steps = {
            int(number): path.parent
            for path in self.folder.glob(f"checkpoint-*/{COMPLETE}")
            if (number := path.parent.name.removeprefix("checkpoint-")).isdecimal()
        }
        return [steps[step] for step in sorted(steps, reverse=True)]

    def _check_settings(self, settings: dict[str, Any], begun: bool) -> None:
        kept = self.folder / SETTINGS
        if not kept.exists() and not begun:
            return
        try:
            before = _read(kept)
        except (OSError, ValueError) as error:
            raise self._beyond_repair(f"has no intact {SETTINGS} ({error})") from error
        changed = sorted(
            key for key in {*before, *settings} if before.get(key) != settings.get(key)
        )
        if changed:
            raise UsageError(
                f"{self.folder} is of an interrupted fine-tuning with another "
                + ", ".join(changed),
                "use the same options to resume, or remove that folder to start over",
            )

    def _damage(self, checkpoint: Path) -> str:
        """The damage of a checkpoint; empty if it is intact."""
        try:
            facts = _read(checkpoint / COMPLETE)
            seconds, expected = facts.get("seconds"), facts.get("sha256")
            if not isinstance(seconds, float) or not math.isfinite(seconds) or seconds < 0:
                return f"{COMPLETE}: seconds is no number of seconds"
            if not isinstance(expected, dict) or not expected:
                return f"{COMPLETE} has no checksums"
            found = _checksums(checkpoint)
        except (OSError, ValueError) as error:
            return f"{COMPLETE}: {error}"
        wrong = sorted(
            name for name in {*found, *expected} if found.get(name) != expected.get(name)
        )
        return f"changed since it was written: {', '.join(wrong)}" if wrong else ""

    def _settle_best(self, last: Path, warn: Warn) -> None:
        """Repair a damaged best evaluation from the checkpoint `last`."""
        path = self.folder / BEST
        try:
            best = Best.read(_read(path))
        except (OSError, ValueError) as error:
            try:
                best = Best.read(_read(last / COMPLETE).get("best"))
            except ValueError:
                raise self._beyond_repair(f"has no intact {BEST} ({error})") from error
            warn(f"{path} is missing or damaged ({error}): restored from {last.name}")
        weights = self._weights(best.step)
        if not _is_intact(weights, best.sha256):
            for checkpoint in self._complete():
                # Without a moving average, the best weights are those of a checkpoint.
                for name, checksum in _checksums(checkpoint).items():
                    if checksum == best.sha256:
                        warn(f"{weights} is missing or damaged: restored from {checkpoint.name}")
                        shutil.copyfile(checkpoint / name, weights)
        write_atomically(path, json.dumps(vars(best)))
        self.best_weights()

    def _beyond_repair(self, what: str) -> UsageError:
        return UsageError(f"{self.folder} {what}", "remove that folder to start over")


def _read(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        OSError, ValueError: it cannot be read, or is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        content = None
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    return content


def _checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of a checkpoint's files by name."""
    names = [name for name in relative_files(folder) if name != COMPLETE]
    return {name: file_sha256(folder / name) for name in names}


def _is_intact(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256
