"""The notebook runs from the first cell to the last, and the pages show its cells."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from faceforensics import make_tree

from dfsubmit import __version__

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "finetune_colab.ipynb"
GUIDE = ROOT / "docs" / "fine-tuning.md"
PAGES = [GUIDE, ROOT / "README.md", ROOT / "README.ko.md"]


def _cells() -> list[dict[str, Any]]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells]


def _code() -> list[str]:
    return [cell["source"] for cell in _cells() if cell["cell_type"] == "code"]


def test_the_pages_show_the_notebooks_cells_and_no_others() -> None:
    shown = {
        page: re.findall(r"```python\n(.*?)\n```", page.read_text(encoding="utf-8"), re.DOTALL)
        for page in PAGES
    }
    assert shown[GUIDE] == _code()
    assert all(cell in _code() for cells in shown.values() for cell in cells)


def test_it_is_kept_without_outputs_and_names_this_version() -> None:
    for cell in _cells():
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    tagged = [cell for cell in _cells() if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    assert f"dfsubmit-{__version__}-py3-none-any.whl" in tagged[0]["source"]


@pytest.mark.slow
def test_it_runs_from_videos_to_zip_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs the bundle extra")
    nbclient = pytest.importorskip("nbclient", reason="needs the bundle extra")
    pytest.importorskip("ipykernel", reason="needs the bundle extra")
    pytest.importorskip("detect_secrets", reason="needs the bundle extra")
    tree = tmp_path / "data set"  # a space, as in "My Drive"
    make_tree(tree)
    for label, folder in (("real", "original_sequences/youtube"), ("fake", "*/FaceSwap")):
        (tmp_path / "labelled" / label).mkdir(parents=True)
        for path in sorted(tree.glob(f"{folder}/c40/videos/0[01]*.mp4")):
            shutil.copy(path, tmp_path / "labelled" / label)
    output = tmp_path / "models" / "mine"
    values = {
        "DRIVE": False,
        "INSTALL": False,
        "PACKAGE": str(ROOT),
        "DATA": str(tree),
        "LABELLED": str(tmp_path / "labelled"),
        "WORK": str(tmp_path / "work"),
        "OUTPUT": str(output),
        "BASE": "scratch:tiny",
        "EXTRACT": "--compression c40 --methods Deepfakes --limit 10 --frames 2",
        "FINETUNE": "--image-size 32 --epochs 1 --workers 0",
    }
    # The command of this tree, whatever else is installed.
    command = tmp_path / "bin" / "dfsubmit"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dfsubmit "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = next(i for i, cell in enumerate(notebook.cells) if cell.metadata.get("tags"))
    lines = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    # As papermill sets parameters.
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(lines))
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    said = "".join(
        part.get("text", "")
        for cell in notebook.cells
        for part in cell.get("outputs", [])
        if part["output_type"] == "stream"
    )
    assert "faces: 20 real, 20 fake, in 5 identity groups" in said
    assert "validation: macro F1" in said
    assert f"{output}_bundle.zip" in said
    with zipfile.ZipFile(f"{output}.zip") as model:
        assert "mine/config.json" in model.namelist()
    with zipfile.ZipFile(f"{output}_bundle.zip") as bundle:
        assert {"task.ipynb", "model/mine/config.json"} <= set(bundle.namelist())
