"""``dfsubmit_decision.json``: the temperature and threshold that `dfsubmit calibrate` fitted.

The file is in the model folder and is valid for one aggregator only. In: frame probabilities. Out:
the same at another temperature. Needs only NumPy, because every run reads it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dfsubmit.errors import ModelError
from dfsubmit.files import write_atomically
from dfsubmit.records import FloatArray

DECISION_FILE = "dfsubmit_decision.json"
DECISION_VERSION = 1


@dataclass(frozen=True)
class Decision:
    """How a file's frames become its label.

    Attributes:
        aggregator: the canonical spec that the other values were fitted for.
        temperature: frame probabilities become ``sigmoid(logit(p) / temperature)`` before they are
            aggregated; over 1 softens them.
        threshold: a file is fake when the aggregate is above it; in [0, 1].
        fitted_on: what they were fitted on: out-of-fold metrics, for information, and the files
            under "names" (`hash_names`).
    """

    aggregator: str
    temperature: float = 1.0
    threshold: float = 0.5
    fitted_on: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.aggregator, str) or not self.aggregator:
            raise ValueError(f"aggregator {self.aggregator!r} is no spec")
        if not (_is_number(self.temperature) and 0.01 <= self.temperature <= 100):
            raise ValueError(f"temperature {self.temperature!r} is not from 0.01 to 100")
        if not (_is_number(self.threshold) and 0 <= self.threshold <= 1):
            raise ValueError(f"threshold {self.threshold!r} is not from 0 to 1")
        if not isinstance(self.fitted_on, dict):
            raise ValueError(f"fitted_on {self.fitted_on!r} is no object")

    def temper(self, p_fake: FloatArray) -> FloatArray:
        """Frame probabilities, float64 (n,) in [0, 1], at this temperature."""
        return temper(p_fake, self.temperature)

    def fitted_among(self, names: Iterable[str]) -> int:
        """How many of the named files it was fitted on; metrics on these are in-sample."""
        known = set(str(self.fitted_on.get("names", "")).split())
        return len(known & set(hash_names(names).split())) if known else 0


def hash_names(names: Iterable[str]) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of each file name, sorted and separated by
    spaces. They tell whether a file is among them without storing its name."""
    hashes = (hashlib.sha256(name.encode("utf-8", "surrogatepass")) for name in names)
    return " ".join(sorted({digest.hexdigest()[:12] for digest in hashes}))


def temper(p_fake: FloatArray, temperature: float) -> FloatArray:
    """``sigmoid(logit(p) / temperature)`` (Guo et al. 2017, "On Calibration of Modern Neural
    Networks"), exact at 0, at 1 and at temperature 1."""
    if temperature == 1:
        return p_fake
    with np.errstate(divide="ignore"):
        logits = np.log(p_fake) - np.log1p(-p_fake)
    # tanh does not overflow where exp would.
    return np.asarray(0.5 + 0.5 * np.tanh(logits / (2 * temperature)), dtype=np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def read_decision(folder: Path) -> Decision | None:
    """The decision in a model folder, or None if there is none.

    Raises:
        ModelError: the file is there and is not a decision of this version.
    """
    path = folder / DECISION_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data.pop("version")
        if version != DECISION_VERSION:
            raise ValueError(f"version {version!r} is not {DECISION_VERSION}")
        return Decision(**data)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{path}: {error}", "write it again with 'dfsubmit calibrate', or remove it"
        ) from error


def decision_of_run(meta: Mapping[str, Any]) -> Decision | None:
    """The decision in a run's metadata, with which it made its labels; None if there is none."""
    try:
        return Decision(**meta["decision"])
    except (KeyError, TypeError, ValueError):
        return None


def decision_for(folder: Path, aggregator: str) -> tuple[Decision, str]:
    """The decision to use with an aggregator: the folder's own, or the plain one (temperature 1,
    threshold 0.5).

    Args:
        folder: the model folder.
        aggregator: the canonical spec of the aggregator in use.

    Returns:
        The decision, and a warning if the folder has one for another aggregator ("" otherwise).

    Raises:
        ModelError: the folder's decision is not readable.
    """
    decision = read_decision(folder)
    if decision is None:
        return Decision(aggregator), ""
    if decision.aggregator != aggregator:
        return Decision(aggregator), (
            f"{DECISION_FILE} was fitted for the aggregator {decision.aggregator!r} and is ignored"
            f" with {aggregator!r}: temperature 1, threshold 0.5"
        )
    return decision, ""


def write_decision(folder: Path, decision: Decision) -> Path:
    """Write the decision into a model folder, atomically, and return its path."""
    path = folder / DECISION_FILE
    data = {"version": DECISION_VERSION, **dataclasses.asdict(decision)}
    write_atomically(path, json.dumps(data, indent=2) + "\n")
    return path
