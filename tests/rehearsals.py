"""What tests of rehearsals share: an edited bundle, a quick rehearsal of it, its checks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from dfsubmit.bundle.rehearse.options import RehearsalOptions
from dfsubmit.bundle.rehearse.rehearsal import rehearse
from dfsubmit.bundle.rehearse.report import PASS, Check, Report, kept, write

# Stands for the inference where a test is about something else: it needs no torch.
WRITES = """\
from pathlib import Path

names = sorted(path.name for path in Path("./data").iterdir())
rows = [f"{name},{number % 2}" for number, name in enumerate(names)]
Path("./submission.csv").write_text("\\n".join(["filename,label", *rows]) + "\\n")
"""


def edit_inference(task_bundle: Path, folder: Path, source: str) -> Path:
    """A copy of the task bundle whose inference cell is the given code."""
    bundle = Path(shutil.copytree(task_bundle, folder))
    notebook = json.loads((bundle / "task.ipynb").read_text())
    cell = next(cell for cell in notebook["cells"] if cell["id"] == "inference")
    cell["source"] = source
    (bundle / "task.ipynb").write_text(json.dumps(notebook))
    return bundle


def run(bundle: Path, data: Path, **more: Any) -> Report:
    return rehearse(RehearsalOptions(bundle, data, fresh=False, **more))


def status(report: Report, name: str) -> str:
    return next(check.status for check in report.checks if check.name == name)


def detail(report: Report, name: str) -> str:
    return next(check.detail for check in report.checks if check.name == name)


def passed_report(bundle: Path, digest: str) -> None:
    """Write the report of a rehearsal that passed, as if it had taken place."""
    kept(bundle).mkdir(exist_ok=True)
    report = Report(bundle.name, digest, "predict", "2026-01-01T00:00:00+00:00")
    report.checks.append(Check("notebook", PASS, "every cell ran"))
    report.figures = {"macro_f1": 0.61, "macro_f1_ci": [0.5, 0.7], "labelled": 40}
    write(report, bundle)
