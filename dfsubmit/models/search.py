"""A model's name → where it is, so that ``--model tiny-vit-demo`` works from anywhere.

In: the user's ``--model``. Out: a path. Names are searched in ``./models``, in the folders of
DFSUBMIT_MODEL_FOLDERS, in the installed package, and in the clone that dfsubmit runs from.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from dfsubmit.errors import ModelError, did_you_mean

FOLDERS_VARIABLE = "DFSUBMIT_MODEL_FOLDERS"
"""The environment variable with further folders, separated as in PATH."""

CARRIED = "_models"
"""The folder of the installed package with the models in its wheel."""

_WEIGHTS = ("*.safetensors", "*.bin", "*.onnx", "onnx/*.onnx")


def model_folders() -> list[Path]:
    """The folders in which names are searched, absolute, in order."""
    configured = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    folders = [Path("models"), *(Path(folder).expanduser() for folder in configured if folder)]
    package = Path(str(resources.files("dfsubmit")))
    folders.append(package / CARRIED)
    if (package.parent / "setup.cfg").is_file():  # a clone
        folders.append(package.parent / "models")
    return list(dict.fromkeys(Path(os.path.abspath(folder)) for folder in folders))


def models_at_hand() -> dict[str, Path]:
    """Names that `find_model` finds, with their paths: folders with weights, and zips."""
    found: dict[str, Path] = {}
    for folder in model_folders():
        try:
            children = sorted(folder.iterdir())
        except OSError:
            continue  # not there, or not to be read
        for child in children:
            if child.suffix == ".zip" or _has_weights(child):
                found.setdefault(child.stem if child.suffix == ".zip" else child.name, child)
    return found


def find_model(model: str | os.PathLike[str]) -> Path:
    """The absolute path of a model's folder or zip.

    Args:
        model: a path, or a name in one of `model_folders`, with or without ".zip".

    Raises:
        ModelError: not found; the message lists the paths tried and the available models.
    """
    given = Path(model).expanduser()
    tried = [Path(os.path.abspath(given))]
    if given.name == os.fspath(given):  # a name alone
        tried += [folder / given for folder in model_folders()]
    for path in tried:
        for candidate in (path, path.with_name(f"{path.name}.zip")):
            if candidate.exists():
                return candidate
    known = models_at_hand()
    near = did_you_mean(given.name, known) + " "
    raise ModelError(
        f"there is no model at {model}; tried {', '.join(map(str, tried))}",
        (near if near.startswith("did") else "") + listing(known),
    )


def listing(known: dict[str, Path] | None = None) -> str:
    """A sentence that lists the available models, or says how to get one if there are none."""
    known = models_at_hand() if known is None else known
    if not known:
        return "no model is at hand; make one with 'dfsubmit finetune'"
    return "models at hand: " + ", ".join(f"{name} ({path})" for name, path in known.items())


def _has_weights(folder: Path) -> bool:
    """Whether it is a model folder with weights, or holds one that is."""
    try:
        inside = [folder, *(child for child in folder.iterdir() if child.is_dir())]
        return any(
            (place / "config.json").is_file()
            and any(next(place.glob(name), None) for name in _WEIGHTS)
            for place in inside
        )
    except OSError:  # a file, or not to be read
        return False
