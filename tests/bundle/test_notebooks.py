"""Notebooks are valid and deterministic, and every cell's part in a rehearsal is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dfsubmit.bundle.package.notebooks import (
    NotebookParts,
    code_cells,
    predict_notebook,
    read_notebook,
    role,
    task_notebook,
)
from dfsubmit.bundle.rehearse.rehearsal import split
from dfsubmit.errors import UsageError

nbformat = pytest.importorskip("nbformat", reason="needs the bundle extra")

PARTS = NotebookParts(
    model="내 모델",
    model_path="model/내 모델",
    wheels=["wheels/a.whl", "wheels/b.whl"],
    aggregator="topk:k=5",
    tta="flip",
)


@pytest.mark.parametrize("make", [task_notebook, predict_notebook])
def test_notebooks_are_valid_without_outputs_and_always_the_same(
    make: Callable[[NotebookParts], str],
) -> None:
    text = make(PARTS)
    assert text == make(PARTS)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code")


def test_the_task_notebooks_cells_come_in_the_contracts_order() -> None:
    notebook = json.loads(task_notebook(PARTS))
    assert notebook["cells"][0]["cell_type"] == "markdown"
    sources = ["".join(cell["source"]) for cell in notebook["cells"][1:]]
    assert [role(source) for source in sources] == ["install", "install", "run", "submit"]
    assert "aifactory==2.0.0" in sources[0]
    for wheel in PARTS.wheels:
        assert f'"./{wheel}"' in sources[1]
    assert sources[2].splitlines()[-1] == (
        'main(data="./data", model="./model/내 모델", output="./submission.csv",'
        ' aggregator="topk:k=5", tta="flip")'
    )


def test_the_key_comes_from_the_environment_or_a_prompt() -> None:
    submit = "".join(json.loads(task_notebook(PARTS))["cells"][-1]["source"])
    assert 'key=os.environ.get("AIF_API_KEY") or getpass.getpass(' in submit
    compile(submit, "submit", "exec")


def test_the_predict_notebook_ends_with_magic_that_scoring_skips() -> None:
    cells = json.loads(predict_notebook(PARTS))["cells"]
    lines = "".join(cells[-1]["source"]).splitlines()
    assert all(line.startswith("%") for line in lines)
    assert lines[-1] == "%aifactory submit --model-name '내 모델'"
    assert not any(line.startswith("%") for cell in cells[:-1] for line in cell["source"])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("!pip install -U aifactory", "install"),
        ("%pip install transformers", "install"),
        ("subprocess.run([sys.executable, '-m', 'pip', 'install', 'x'])", "install"),
        ("import aifactory.score as aif\naif.submit(model_name='m', key='k')", "submit"),
        ("%pip install aifactory\n%load_ext aifactory\n%aifactory submit --model-name m", "submit"),
        ("model.predict('./data')", "run"),
        ("pipeline = submit_to(pool)", "run"),
    ],
)  # fmt: skip
def test_a_cells_part_is_told_by_its_content(source: str, expected: str) -> None:
    assert role(source) == expected


def cell(source: str) -> dict[str, object]:
    return {"cell_type": "code", "source": source}


def test_only_the_first_installing_cells_have_the_network() -> None:
    cells = [cell("!pip install a"), cell("x = 1"), cell("!pip install b"), cell("aif.submit('m')")]
    first, rest = split({"cells": cells}, "task")
    assert code_cells(first) == ["!pip install a"]
    assert code_cells(rest) == ["x = 1", "!pip install b"]


def test_magic_lines_are_not_run_in_a_predict_notebook() -> None:
    notebook = {"cells": [cell("%matplotlib inline\nx = 1\n  %time y = 2\n"), cell("%cd ..")]}
    _, rest = split(notebook, "predict")
    assert code_cells(rest) == ["x = 1\n", ""]


def test_what_is_no_notebook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "task.ipynb"
    with pytest.raises(UsageError, match="no such notebook"):
        read_notebook(path)
    path.write_text('{"cells": 3}')
    with pytest.raises(UsageError, match="is not a notebook"):
        read_notebook(path)
