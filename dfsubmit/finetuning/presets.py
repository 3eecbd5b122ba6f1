"""Named sets of options for ``dfsubmit finetune --preset``, built in or from a user's file.

Figures are those of the sources, AUC on Celeb-DF v2 / DFDC after FaceForensics++, where nothing
else is said: docs/fine-tuning.md says which were run here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.errors import UsageError, did_you_mean

SOURCE = "source"
"""The key of a file that says where its options come from."""


@dataclass(frozen=True)
class Preset:
    """A name for options.

    Attributes:
        name: what ``--preset`` takes.
        options: values by the names of the options, without the two dashes.
        source: who, when, with which figure.
    """

    name: str
    options: dict[str, Any]
    source: str

    def __str__(self) -> str:
        """The options as one would type them."""
        words = []
        for key, value in self.options.items():
            if isinstance(value, bool):
                words += [f"--{key}"] if value else []
            else:
                values = value if isinstance(value, list) else [value]
                words += [f"--{key} {each}" for each in values]
        return " ".join(words)


_EXP_004 = {
    "tune": "all",
    "split": "group",
    "epochs": 3,
    "batch-size": 16,
    "lr": 2e-5,
    "weight-decay": 0.01,
    "warmup": 0.1,
    "schedule": "linear",
}
_CLIP_NORM_SBI = {
    "base": "openai/clip-vit-large-patch14",
    "tune": "norm",
    "self-blend": 0.5,
    "balance": True,
    "augment": "standard",
    "batch-size": 32,
    "lr": 3e-4,
    "weight-decay": 0.0,
    "schedule": "cosine",
}
_DINOV2_LORA = {
    "base": "facebook/dinov2-base",
    "tune": "lora:r=16",
    "balance": True,
    "augment": "standard",
    "batch-size": 32,
    "lr": 1e-4,
    "schedule": "cosine",
}
_QUICK = {
    "base": "scratch:swiftformer-xs",
    "balance": True,
    "augment": "standard",
    "epochs": 10,
    "batch-size": 32,
    "lr": 1e-3,
    "weight-decay": 0.05,
    "warmup": 0.05,
    "schedule": "cosine",
    "ema": 0.995,
}
PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "exp-004",
            _EXP_004,
            "the defaults by name: experiment EXP-004 (ViT-Base, FaceForensics++ c40), but split "
            "by identity",
        ),
        Preset(
            "clip-norm-sbi",
            _CLIP_NORM_SBI,
            "normalisation layers, rate and schedule: Yermakov et al., GenD, WACV 2026 (ViT-L "
            ".966 / .872, B/16 .890 / .836; with losses that are not here); self-blending: "
            "Shiohara and Yamasaki, CVPR 2022 (.938 / .730); both together: .914, one user's",
        ),
        Preset(
            "dinov2-lora",
            _DINOV2_LORA,
            "DINOv2: Oquab et al., TMLR 2024; LoRA: Hu et al., ICLR 2022; for forged faces, with "
            "further modules: Zhang et al., DFF-Adapter, AAAI 2026; no figure for this alone",
        ),
        Preset(
            "quick",
            _QUICK,
            "the small network of docs/small-model.md that is made from nothing, for a first try",
        ),
    )
}


def find_preset(name: str) -> Preset:
    """A preset by its name, or from a JSON file: an object of options, and optionally `SOURCE`.

    Raises:
        UsageError: there is neither, or the file holds something else.
    """
    if name in PRESETS:
        return PRESETS[name]
    path = Path(name)
    if not path.is_file():
        raise UsageError(
            f"--preset {name}: neither a preset nor a file", did_you_mean(name, PRESETS)
        )
    try:
        options = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"--preset {name}: {error}") from error
    if not isinstance(options, dict):
        raise UsageError(f"--preset {name}: not a JSON object of options")
    options = {key.replace("_", "-"): value for key, value in options.items()}
    source = str(options.pop(SOURCE, "a file"))
    return Preset(path.name, options, source)
