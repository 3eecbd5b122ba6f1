"""The notebooks of both contracts, built with nbformat: valid, without outputs, always the same.

In: names and paths relative to the bundle. Out: a notebook as JSON text. Also the other way: which
part each cell of any notebook plays in a rehearsal (`role`).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfsubmit.bundle.pins import CLIENT_3, CLIENT_2025
from dfsubmit.errors import NotInstalled, UsageError


@dataclass(frozen=True)
class NotebookParts:
    """What differs between two bundles' notebooks.

    Attributes:
        model: the model's name, for the title and the submission.
        model_path: its folder relative to the notebook.
        wheels: the wheels, relative to the notebook, in the order of installation.
        aggregator, tta: as `dfsubmit run` takes them.
    """

    model: str
    model_path: str
    wheels: Sequence[str]
    aggregator: str = "mean"
    tta: str = "none"


RULES = """\
- `./data` holds images and videos; the result is `./submission.csv` with `filename,label`
  (real 0, fake 1), one row a file.
- One model: no ensemble, no voting over models, no training at test time. Frames of one file, and
  a face with its mirror image, are averaged.
- The network is used by the installing cells only. A model that does not load is an error at once;
  there is no second model to fall back to.\
"""

SUBMIT_2025 = """\
import getpass
import os

import aifactory.score as aif

aif.submit(
    model_name={model},
    key=os.environ.get("AIF_API_KEY") or getpass.getpass("Key: "),
)\
"""

SUBMIT_3 = """\
%pip install -q "{client}"
%load_ext aifactory
%aifactory submit --model-name {model}\
"""


def task_notebook(parts: NotebookParts) -> str:
    """``task.ipynb`` of the 2025 contract."""
    pip = _pip()
    return _notebook(
        [
            ("title", _title(parts)),
            ("client", f'{pip}\npip("{CLIENT_2025}")'),
            (
                "libraries",
                'pip("--no-deps", "--requirement", "requirements.txt")\n' + _install(parts),
            ),
            ("inference", _inference(parts)),
            ("submit", SUBMIT_2025.format(model=_text(parts.model))),
        ]
    )


def predict_notebook(parts: NotebookParts) -> str:
    """``predict.ipynb`` for aifactory 3.x: lines that begin with % are not run at scoring."""
    return _notebook(
        [
            ("title", _title(parts)),
            ("libraries", f"{_pip()}\n{_install(parts)}"),
            ("inference", _inference(parts)),
            ("submit", SUBMIT_3.format(client=CLIENT_3, model=shlex.quote(parts.model))),
        ]
    )


def _title(parts: NotebookParts) -> str:
    return f"# Deepfake detection: {parts.model}\n\n{RULES}"


def _pip() -> str:
    # "!pip" would go on after a failed installation, and may be another Python's.
    return (
        "import subprocess\n"
        "import sys\n"
        "\n"
        "\n"
        "def pip(*arguments):\n"
        '    command = [sys.executable, "-m", "pip", "install", "--quiet", *arguments]\n'
        "    subprocess.run(command, check=True)\n"
        "\n"
    )


def _install(parts: NotebookParts) -> str:
    wheels = "".join(f"    {_text(f'./{wheel}')},\n" for wheel in parts.wheels)
    return f'pip(\n    "--no-deps",\n    "--no-index",\n{wheels})'


def _inference(parts: NotebookParts) -> str:
    model = _text(f"./{parts.model_path}")
    call = f'main(data="./data", model={model}, output="./submission.csv"'
    if parts.aggregator != "mean":
        call += f", aggregator={_text(parts.aggregator)}"
    if parts.tta != "none":
        call += f", tta={_text(parts.tta)}"
    return f"from dfsubmit.entrypoint import main\n\n{call})"


def _text(value: str) -> str:
    """A text as Python code, in double quotes."""
    return json.dumps(value, ensure_ascii=False)


def _notebook(cells: list[tuple[str, str]]) -> str:
    try:
        import nbformat
    except ImportError as error:
        raise NotInstalled.extra("package", "bundle", "nbformat") from error
    notebook = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for name, source in cells:
        make = nbformat.v4.new_markdown_cell if name == "title" else nbformat.v4.new_code_cell
        cell = make(source)
        # nbformat's own ids are random; these keep two builds of one bundle equal.
        cell["id"] = name
        notebook.cells.append(cell)
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)) + "\n"


_SUBMITS = re.compile(r"aif\w*\.submit\w*\(|^\s*[%!]\s*aifactory\b", re.MULTILINE)
_INSTALLS = re.compile(r"\bpip3?\s+install\b|\bpip\(|[\"']pip[\"']\s*,\s*[\"']install[\"']")


def role(source: str) -> str:
    """What a code cell is for, by its content: "submit", "install" or "run"."""
    if _SUBMITS.search(source):
        return "submit"
    return "install" if _INSTALLS.search(source) else "run"


def read_notebook(path: Path) -> dict[str, Any]:
    """A notebook as plain JSON.

    Raises:
        UsageError: it is missing, or not a notebook.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            # nbformat writes a cell's source as a list of lines, other tools as one string.
            cell["source"] = "".join(cell["source"])
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such notebook") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not a notebook: {error!r}") from error
    return dict(notebook)


def code_cells(notebook: dict[str, Any]) -> list[str]:
    """The sources of the code cells, in order."""
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
