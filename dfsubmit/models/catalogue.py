"""The model folders in a folder, and whether each can be run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from dfsubmit.errors import DfsubmitError
from dfsubmit.files import write_atomically
from dfsubmit.models.fakeclass import resolve_fake_class
from dfsubmit.models.folder import ModelFolder, open_model, weight_files
from dfsubmit.options import BASELINE_MODEL
from dfsubmit.recipe import BUILT_IN, RECIPE_FILE

REPOSITORY = "prithivMLmods/Deep-Fake-Detector-v2-Model"

FILES = ("config.json", "preprocessor_config.json", "model.safetensors")


@dataclass(frozen=True)
class ModelState:
    """One model folder or zip.

    Attributes:
        path: of the folder or zip.
        ready: whether a run could try to load it.
        state: "ready", or the problem, with a remedy if there is one.
        recipe: its recipe's name; empty if unknown.
        fake_class: the name of its fake class; empty if unknown.
    """

    path: Path
    ready: bool
    state: str
    recipe: str = ""
    fake_class: str = ""


def list_models(root: Path) -> list[ModelState]:
    """All folders and zips directly in `root`, by name; none if `root` does not exist."""
    if not root.is_dir():
        return []
    children = [child for child in sorted(root.iterdir()) if not child.name.startswith(".")]
    return [_state(child) for child in children if child.is_dir() or child.suffix == ".zip"]


def _state(path: Path) -> ModelState:
    recipe = fake_class = ""
    try:
        model = open_model(path)
        if model.recipe_known:
            recipe = model.recipe.name
        fake_class = model.id2label[resolve_fake_class(model.id2label)]
        if not weight_files(model.path):
            return ModelState(path, False, "no weights", recipe, fake_class)
    except DfsubmitError as error:
        state = error.message
        if path.name == BASELINE_MODEL.name:
            state = "no weights yet: dfsubmit models fetch baseline"
        return ModelState(path, False, state, recipe, fake_class)
    state = "ready, but untrained: its labels mean nothing" if model.untrained else "ready"
    return ModelState(path, True, state, recipe, fake_class)


def fetch_baseline(folder: Path = BASELINE_MODEL) -> ModelFolder:
    """Download the baseline model into a folder, and add its recipe.

    Files that already exist, complete and unchanged, are not downloaded again.

    Raises:
        DfsubmitError: the hub cannot be reached or has no such file, or the folder cannot be
            written (exit 1).
        ModelError: the downloaded files are not a usable model.
    """
    from huggingface_hub import hf_hub_download

    for name in FILES:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            hf_hub_download(REPOSITORY, name, local_dir=folder)
        # By version, the hub's client raises its own, httpx's, requests' or the system's errors.
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            raise DfsubmitError(
                f"{name} of {REPOSITORY} cannot be downloaded: {type(error).__name__}: {reason}",
                f"without a network, copy {', '.join(FILES)} by hand from a machine that has one "
                f"(https://huggingface.co/{REPOSITORY}) into {folder}",
            ) from error
    # The client's download record would otherwise be packed into bundles.
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    recipe = folder / RECIPE_FILE
    if not recipe.exists():
        write_atomically(recipe, BUILT_IN["organiser-baseline"].to_json())
    return open_model(folder)
