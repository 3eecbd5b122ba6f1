"""A model folder → the same folder, with what a loader would otherwise make in each run.

In: a model's name and the plugins' loaders. Out: what was kept. The loader does the work
(`PreparesModels`); which library it uses is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dfsubmit.errors import DfsubmitError, ModelError, UsageError, in_brief
from dfsubmit.faces.preprocess import PREPROCESSOR_FILE, load_preprocessor
from dfsubmit.hooks.interfaces import LoadRequest, Prepared, PreparesModels
from dfsubmit.hooks.loading import Plugins
from dfsubmit.models.choice import loaders_for
from dfsubmit.models.folder import ModelFolder, open_model


@dataclass(frozen=True)
class PreparedModel:
    """A model and what was kept with it.

    Attributes:
        model: the folder.
        loader: the name of the loader that did it.
        prepared: what it made.
        bytes: the size of its files.
    """

    model: ModelFolder
    loader: str
    prepared: Prepared
    bytes: int


def prepare_model(
    path: str, precision: str, faces: Path | None, device: str, plugins: Plugins
) -> PreparedModel:
    """Let the loader that a run would choose prepare a model.

    Args:
        path: of the model, or its name.
        precision: of the later runs.
        faces: a folder of face crops.
        device: as of the later runs.
        plugins: with the loaders.

    Raises:
        ModelError: there is no such model, or it cannot be loaded.
        UsageError: it is a zip, or the loader keeps nothing with models.
    """
    folder = open_model(path)
    if not folder.source.is_dir():
        raise UsageError(
            f"{folder.source} is a zip, in which nothing is kept", "unzip it, and name the folder"
        )
    if (folder.path / PREPROCESSOR_FILE).exists():
        load_preprocessor(folder.path)
    request = LoadRequest(
        folder=folder.path,
        id2label=folder.id2label,
        device=device,
        precision=precision,
        model_hash=folder.sha256,
        faces=faces,
    )
    name, loader = next(iter(loaders_for(request, None, plugins).items()))
    if not isinstance(loader, PreparesModels):
        raise UsageError(
            f"the model loader {name!r} keeps nothing with models",
            "runs with it need no preparing",
        )
    try:
        prepared = loader.prepare(request)
    except DfsubmitError:
        raise
    except Exception as error:  # loaders raise many types for a damaged folder
        raise ModelError(f"the model loader {name!r}: {in_brief(error, loader)}") from error
    files = [file for file in prepared.folder.rglob("*") if file.is_file()]
    return PreparedModel(folder, name, prepared, sum(file.stat().st_size for file in files))
