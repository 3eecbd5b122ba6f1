"""The card: what it is, and how busy it was while something ran on it."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass, field
from typing import Any

from dfsubmit.machine import available_cpus

SAMPLE_SECONDS = 0.5
_QUERY = ("nvidia-smi", "--format=csv,noheader,nounits")


def query(fields: str) -> list[str] | None:
    """What ``nvidia-smi`` says of the first card; None where it cannot be asked.

    Args:
        fields: of ``nvidia-smi --help-query-gpu``, with commas between them.
    """
    try:
        answer = subprocess.run(
            [*_QUERY, f"--query-gpu={fields}"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode or not answer.stdout.strip():
        return None
    return [value.strip() for value in answer.stdout.splitlines()[0].split(",")]


def describe(device: str) -> dict[str, Any]:
    """The machine that the check runs on.

    Args:
        device: "cuda" or "cpu".
    """
    import torch
    import transformers

    facts: dict[str, Any] = {
        "device": device,
        "cpus": available_cpus(),
        "torch": torch.__version__,
        "CUDA of torch": torch.version.cuda,
        "transformers": transformers.__version__,
    }
    if device == "cuda":
        card = torch.cuda.get_device_properties(0)
        facts["card"] = card.name
        facts["memory, GiB"] = round(card.total_memory / 2**30, 1)
        facts["compute capability"] = f"{card.major}.{card.minor}"
        driver = query("driver_version")
        facts["driver"] = driver[0] if driver else "nvidia-smi does not answer"
    return facts


@dataclass
class Usage:
    """Samples the card while a block runs: ``with Usage() as usage: …``.

    Attributes:
        busy: of each sample, the share of the last moment in which a kernel ran, in [0, 1].
        used: of each sample, the card's memory in use, in MiB, of all processes.
    """

    busy: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)

    def __enter__(self) -> Usage:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            values = query("utilization.gpu,memory.used")
            try:
                busy, used = map(float, values or ())
            except ValueError:  # no card, or one that does not tell ("[N/A]")
                continue
            self.busy.append(busy / 100)
            self.used.append(used)

    @property
    def idle(self) -> float | None:
        """The mean share of the time in which no kernel ran; None where nothing was sampled."""
        return 1 - sum(self.busy) / len(self.busy) if self.busy else None
