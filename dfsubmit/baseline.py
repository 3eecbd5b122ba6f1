"""The organiser's baseline model: fetched from the Hugging Face hub, on request only.

`fetch_baseline` is the one download in this project. It takes two JSON files and the safetensors
weights by name, and nothing else: no pickles, no code.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from dfsubmit.atomic import write_atomically
from dfsubmit.errors import DfsubmitError
from dfsubmit.modelfolder import ModelFolder, open_model
from dfsubmit.options import BASELINE_MODEL
from dfsubmit.recipe import BUILT_IN, RECIPE_FILE

REPOSITORY = "prithivMLmods/Deep-Fake-Detector-v2-Model"
FILES = ("config.json", "preprocessor_config.json", "model.safetensors")


def fetch_baseline(folder: Path = BASELINE_MODEL) -> ModelFolder:
    """Download the baseline model into a folder, and give it its recipe.

    Files that are there already, whole and unchanged, are not downloaded again.

    Raises:
        DfsubmitError: the hub cannot be reached or has no such file, or the folder cannot be
            written (exit 1).
        ModelError: what came is no usable model.
    """
    from huggingface_hub import hf_hub_download

    for name in FILES:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            hf_hub_download(REPOSITORY, name, local_dir=folder)
        # The hub's client raises its own, httpx's, requests' or the system's errors, by release.
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            raise DfsubmitError(
                f"{name} of {REPOSITORY} cannot be downloaded: {type(error).__name__}: {reason}",
                f"without a network, copy {', '.join(FILES)} by hand from a machine that has one "
                f"(https://huggingface.co/{REPOSITORY}) into {folder}",
            ) from error
    # The client's record of the download would otherwise travel in bundles made of the folder.
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    recipe = folder / RECIPE_FILE
    if not recipe.exists():
        write_atomically(recipe, BUILT_IN["organiser-baseline"].to_json())
    return open_model(folder)
