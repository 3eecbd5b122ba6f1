"""Run a bundle's notebook as the scoring server does: ``python score.py BUNDLE DATA OUT``.

The bundle is copied, its ``./data`` is DATA, and its code cells run in order, but for the cell that
submits. What it writes as ``submission.*`` is copied to OUT. Needs nothing but Python.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def code_cells(notebook):
    """The source of each code cell that runs at scoring.

    Lines that begin with % are not run there; a cell of nothing else, or one that submits, is left
    out.
    """
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        lines = "".join(cell["source"]).splitlines()
        source = "\n".join(line for line in lines if not line.startswith("%"))
        if cell["cell_type"] == "code" and source.strip() and "aif.submit(" not in source:
            yield source


def main(bundle, data, out):
    found = [name for name in ("task.ipynb", "predict.ipynb") if Path(bundle, name).is_file()]
    if len(found) != 1:
        sys.exit(f"{bundle} must contain task.ipynb or predict.ipynb")
    work = Path(tempfile.mkdtemp(prefix="scoring-"))
    shutil.copytree(bundle, work, dirs_exist_ok=True)
    shutil.rmtree(work / "data", ignore_errors=True)
    (work / "data").symlink_to(Path(data).absolute(), target_is_directory=True)
    target = Path(out).absolute()
    os.chdir(work)
    if found == ["predict.ipynb"] and Path("requirements.txt").is_file():
        pip = [sys.executable, "-m", "pip", "install", "--no-deps", "-r", "requirements.txt"]
        subprocess.run(pip, check=True)
    names = {"__name__": "__main__"}
    for number, source in enumerate(code_cells(Path(found[0])), 1):
        exec(compile(source, f"{found[0]}, cell {number}", "exec"), names)
    for path in work.glob("submission.*"):
        shutil.copy(path, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
