"""Which model folders lie under a folder, and whether each can be run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dfsubmit.errors import DfsubmitError
from dfsubmit.fakeclass import resolve_fake_class
from dfsubmit.modelfolder import open_model, weight_files
from dfsubmit.options import BASELINE_MODEL


@dataclass(frozen=True)
class ModelState:
    """One model folder or zip.

    Attributes:
        path: of the folder or zip.
        ready: whether a run could try to load it.
        state: "ready", or what is wrong, with the cure where there is one.
        recipe: its recipe's name; empty where it is not known.
        fake_class: the name of its fake class; empty where it is not known.
    """

    path: Path
    ready: bool
    state: str
    recipe: str = ""
    fake_class: str = ""


def list_models(root: Path) -> list[ModelState]:
    """Every folder and zip directly under `root`, by name; none where `root` does not exist."""
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
