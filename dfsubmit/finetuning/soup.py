"""Models that were fine-tuned from one base → one model: the mean of their weights.

Source: Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves
accuracy without increasing inference time", ICML 2022 (their uniform soup). It is one network of
the same size. The parts and the soup are compared on the validation faces that all parts have in
common and that no part was trained on.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dfsubmit.console import progress_bar
from dfsubmit.errors import ModelError, UsageError
from dfsubmit.extraction.index import FaceRow, read_index
from dfsubmit.files import write_atomically
from dfsubmit.finetuning.data.dataset import read_crop
from dfsubmit.finetuning.figures import face_metrics
from dfsubmit.hooks.interfaces import LoadRequest
from dfsubmit.models.fakeclass import resolve_fake_class
from dfsubmit.models.folder import ModelFolder, open_model
from dfsubmit.models.huggingface import HuggingFaceLoader
from dfsubmit.recipe import RECIPE_FILE
from dfsubmit.records import FloatArray

SPLIT_FILE = "split.csv"
METRICS_FILE = "metrics.json"
_KEPT = ("preprocessor_config.json", RECIPE_FILE, SPLIT_FILE)
_VOLATILE = ("transformers_version", "_name_or_path", "dtype", "torch_dtype")
_BATCH = 32


@dataclass(frozen=True)
class Soup:
    """The outcome of `make_soup`.

    Attributes:
        output: the new model folder.
        faces: that all parts validated on.
        figures: by the name of each part, and "soup": see `figures.face_metrics`.
    """

    output: Path
    faces: int
    figures: dict[str, dict[str, float]]


def make_soup(
    models: Sequence[Path], faces: Sequence[Path], output: Path, progress: bool = False
) -> Soup:
    """Average the models, evaluate parts and whole, and write the model folder.

    Args:
        models: two or more folders that `dfsubmit finetune` wrote.
        faces: the folders of face crops that they learned from.
        output: the new folder.
        progress: show a bar on stderr.

    Raises:
        ModelError, UsageError: they do not belong together, or no face is left to judge them by.
    """
    if len(models) < 2:
        raise UsageError("a soup needs two models or more")
    if (output / "config.json").exists():
        raise UsageError(f"{output} holds a model already", "name another --output, or remove it")
    parts = [open_model(path) for path in models]
    for part in parts[1:]:
        _compare(parts[0], part)
    rows, paths = _shared_validation(parts, faces)
    state = _mean([_weights(part) for part in parts], parts)
    output.mkdir(parents=True, exist_ok=True)
    for name in _KEPT:
        shutil.copyfile(parts[0].path / name, output / name)
    from safetensors.torch import save_file

    save_file(state, output / "model.safetensors", metadata={"format": "pt"})
    shutil.copyfile(parts[0].path / "config.json", output / "config.json")
    figures = {}
    try:
        with progress_bar(len(paths) * (len(parts) + 1), "faces", progress) as bar:
            for name, folder in [*_names(models, parts), ("soup", output)]:
                figures[name] = face_metrics(rows, _score(folder, paths, bar))
    except BaseException:  # a folder with config.json is a complete model
        (output / "config.json").unlink()
        raise
    soup = Soup(output, len(rows), figures)
    data = {"soup of": [part.sha256 for part in parts], "faces": len(rows), "validation": figures}
    write_atomically(output / METRICS_FILE, json.dumps(data, indent=2) + "\n")
    write_atomically(output / "README.md", _card(soup, _facts(parts[0])["origin"]))
    return soup


def _names(models: Sequence[Path], parts: Sequence[ModelFolder]) -> list[tuple[str, Path]]:
    return [(str(path), part.path) for path, part in zip(models, parts, strict=True)]


def _facts(part: ModelFolder) -> dict[str, Any]:
    path = part.path / METRICS_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {"origin": str(data["origin"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} does not say what the model was made from ({error})",
            "a soup is made of folders that 'dfsubmit finetune' wrote",
        ) from error


def _compare(one: ModelFolder, other: ModelFolder) -> None:
    """Refuse two models that were not fine-tuned from one base, on faces cut in one way."""

    def read(part: ModelFolder, name: str) -> Any:
        return json.loads((part.path / name).read_text(encoding="utf-8"))

    differences = one.recipe.differences(other.recipe)
    if differences or not (one.recipe_known and other.recipe_known):
        listing = ", ".join(f"{key} {a!r} and {b!r}" for key, (a, b) in differences.items())
        raise ModelError(
            f"{one.source} and {other.source} have different recipes: {listing or 'one has none'}"
        )
    bases = [_facts(part)["origin"] for part in (one, other)]
    if bases[0] != bases[1]:
        raise ModelError(
            f"{one.source} was made from {bases[0]}, {other.source} from {bases[1]}",
            "only what was fine-tuned from one base can be averaged",
        )
    if bases[0].startswith("scratch:"):
        raise ModelError(
            f"{one.source}: networks that began at random cannot be averaged",
            "fine-tune them from one base",
        )
    for name in ("config.json", "preprocessor_config.json"):
        first, second = (
            {key: value for key, value in read(part, name).items() if key not in _VOLATILE}
            for part in (one, other)
        )
        if first != second:
            keys = sorted(key for key in first | second if first.get(key) != second.get(key))
            raise ModelError(f"{one.source} and {other.source} differ in {name}: {', '.join(keys)}")


def _weights(part: ModelFolder) -> dict[str, Any]:
    from safetensors.torch import load_file

    path = part.path / "model.safetensors"
    try:
        state: dict[str, Any] = load_file(path)
    except Exception as error:  # safetensors raises its own kind
        raise ModelError(f"{path}: {error}") from error
    if any(name.endswith("running_mean") for name in state):
        raise ModelError(
            f"{part.source} has batch normalisation, whose statistics do not average",
            "a network with layer normalisation can be averaged",
        )
    return state


def _mean(states: list[dict[str, Any]], parts: Sequence[ModelFolder]) -> dict[str, Any]:
    """The mean of each tensor, in float64, in the type of the first."""
    shapes = [{name: tuple(value.shape) for name, value in state.items()} for state in states]
    for part, own in zip(parts, shapes, strict=True):
        if own != shapes[0]:
            raise ModelError(f"{parts[0].source} and {part.source} have other weights")
    return {
        name: (sum(state[name].double() for state in states) / len(states)).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in states[0].items()
    }


def _shared_validation(
    parts: Sequence[ModelFolder], folders: Sequence[Path]
) -> tuple[list[FaceRow], list[Path]]:
    """The faces that every part validated on."""
    shared: set[tuple[str, str, str]] | None = None
    for part in parts:
        path = part.path / SPLIT_FILE
        try:
            with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
                own = {
                    (line["dataset"], line["video"], line["crop"])
                    for line in csv.DictReader(stream)
                    if line["split"] == "val"
                }
        except (OSError, KeyError, csv.Error) as error:
            raise ModelError(f"{path}: {error}") from error
        shared = own if shared is None else shared & own
    rows, paths = [], []
    for folder in folders:
        found, recipe = read_index(folder)
        differences = parts[0].recipe.differences(recipe)
        if differences:
            raise UsageError(f"{folder} was cut in another way: {', '.join(differences)}")
        for row in found:
            if (row.dataset, row.video, row.crop) in (shared or ()):
                rows.append(row)
                paths.append(folder / row.crop)
    if len({row.label for row in rows}) < 2:
        raise UsageError(
            f"{len(rows)} of these faces validated all models, of one class or none",
            "fine-tune them on one split: with the same --split-seed",
        )
    return rows, paths


def _score(folder: Path, paths: Sequence[Path], bar: Any) -> FloatArray:
    """The probability of fake of each crop, as a run computes it."""
    model = HuggingFaceLoader().load(LoadRequest(folder))
    fake = resolve_fake_class(model.id2label)
    found = []
    for start in range(0, len(paths), _BATCH):
        crops = [model.preprocessor.resize(read_crop(path)) for path in paths[start:][:_BATCH]]
        logits = model.logits(np.stack(crops)).astype(np.float64)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        found.append(shares[:, fake] / shares.sum(axis=1))
        bar.update(len(crops))
    return np.concatenate(found)


def _card(soup: Soup, origin: str) -> str:
    lines = [
        f"# {soup.output.name}",
        "",
        f"The mean of the weights of {len(soup.figures) - 1} models fine-tuned from {origin}",
        "(a model soup: Wortsman et al., ICML 2022), by `dfsubmit soup`. What holds for their use",
        "holds for it: it must not be used to judge a person, or a single picture whose truth",
        "matters to somebody.",
        "",
        f"On the {soup.faces} faces that every part validated on, and that chose their weights:",
        "",
        "| | macro F1 | AUC | video macro F1 | video AUC |",
        "|---|---:|---:|---:|---:|",
    ]
    keys = ("macro_f1", "auc", "video_macro_f1", "video_auc")
    for name, figures in soup.figures.items():
        cells = [f"{figures[key]:.3f}" if key in figures else "–" for key in keys]
        label = Path(name).name.replace("|", "\\|")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
