"""Every command, run in a folder that holds a module of every name: none of them may be run.

The folder is the data folder as well, as when somebody works where the media lie. Each module notes
its name and then lets the true one be imported, so that one run finds all that is open.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path

from setting import Tally, finish, start

from dfsubmit.cli import COMMANDS
from dfsubmit.samples import make_samples, make_untrained_model

SECONDS = 600
QUICK = ("plugins", "run", "package")

_BOMB = """\
import os, sys
with open({log!r}, "a") as stream:
    stream.write(__name__ + "\\n")
_here = os.path.dirname(os.path.abspath(__file__))
_path, sys.path[:] = sys.path[:], [p for p in sys.path if p and os.path.abspath(p) != _here]
sys.modules.pop(__name__, None)
try:
    __import__(__name__)
finally:
    sys.path[:] = _path
"""
# What `python -m` imports before the package's first line, by the minor version of Python 3, unless
# a .pth file of the environment has imported it before.
_BEFORE_US = {
    10: frozenset({"runpy"}),
    11: frozenset({"contextlib", "importlib"}),
    12: frozenset({"importlib", "types"}),
    13: frozenset({"importlib", "types"}),
}
# As an installation's script is: its own folder comes first on sys.path, not the current one.
_SCRIPT = "import sys\nfrom dfsubmit.cli import main\nsys.exit(main(prog_name='dfsubmit'))\n"


def bombs(work: Path, only: tuple[str, ...] = ()) -> Tally:
    """Each command once, or those of `only`, and ``python -m dfsubmit``."""
    tally = Tally("modules in the current folder")
    data, out, log = work / "data", work / "out", work / "run.log"
    out.mkdir()
    _lay(data, log)
    script = work / "bin" / "dfsubmit"
    script.parent.mkdir()
    script.write_text(_SCRIPT)
    os.environ |= {"XDG_DATA_HOME": str(work / "user"), "AIF_API_KEY": "of-nobody-at-all"}
    model = make_untrained_model(work / "vit")
    # A bomb that cannot go off would prove nothing.
    finish(start([sys.executable, "-m", "json.tool", "--help"], cwd=data), SECONDS)
    if "json" not in _told(log):
        raise RuntimeError("the modules in the current folder are not run even where they must be")
    for name, lines in _commands(model, out).items():
        if only and name not in only:
            continue
        for arguments in lines:
            tally.cases += 1
            _case([sys.executable, str(script), *arguments], data, log, tally)
    tally.cases += 1
    unsafe = _BEFORE_US[sys.version_info.minor]
    _case([sys.executable, "-m", "dfsubmit", "plugins"], data, log, tally, unsafe)
    return tally


def _lay(data: Path, log: Path) -> None:
    make_samples(data)
    for label, name in (("real", "face.jpg"), ("fake", "face.png")):
        for number in range(4):
            place = data / label / f"{number}-{name}"
            place.parent.mkdir(exist_ok=True)
            place.write_bytes((data / name).read_bytes())
    installed = importlib.metadata.packages_distributions()
    modules = {*sys.stdlib_module_names, *installed, "sitecustomize", "usercustomize"}
    for name in modules - {"dfsubmit"}:
        if name.isidentifier():
            (data / f"{name}.py").write_text(_BOMB.format(log=str(log)))
    files = [path.name for path in sorted(data.iterdir()) if path.is_file()]
    rows = [f"{name},{('real', 'fake')[number % 2]}" for number, name in enumerate(files)]
    (data.parent / "labels.csv").write_text("\n".join(["filename,label", *rows]) + "\n")


def _commands(model: Path, out: Path) -> dict[str, list[list[str]]]:
    """What is run of each command; all of them, so that a new one is not forgotten."""
    scores, bundle = str(out / "s.scores.jsonl"), str(out / "bundle")
    nobody = "http://127.0.0.1:9"
    labels = ["--labels", str(out.parent / "labels.csv")]
    quick = ["--model", str(model), "--frames", "2", "--workers", "1", "--no-progress"]
    faces = ["--workers", "1", "--no-progress"]
    tiny = ["--val", "0.5", "--base", "scratch:tiny", "--image-size", "32", "--epochs", "1"]
    soup = ["--output", str(out / "soup"), "--no-progress"]
    commands = {
        "run": [["run", ".", *quick, "--output", str(out / "s.csv"), "--max-failures", "100%"]],
        "check": [["check", str(out / "s.csv"), "--data", "."]],
        "merge": [["merge", str(out / "whole.csv"), str(out / "s.csv")]],
        "config": [["config"]],
        "plugins": [["--version"], ["--help"], ["plugins"]],
        "doctor": [["doctor"]],
        "models": [
            ["models", "--folder", str(model.parent)],
            ["models", "prepare", str(model), "--calibration", "real"],
        ],
        "samples": [["samples", str(out / "samples")]],
        "extract": [["extract", ".", str(out / "faces"), *faces, "--frames", "2"]],
        "finetune": [["finetune", str(out / "faces"), "--output", str(out / "m"), *tiny, *faces]],
        "soup": [["soup", *[str(out / "m")] * 2, "--faces", str(out / "faces"), *soup]],
        "compare": [["compare", scores, *labels]],
        "evaluate": [["evaluate", scores, *labels]],
        "report": [["report", scores, *labels, "--data", ".", "--no-progress"]],
        "calibrate": [["calibrate", scores, *labels, "--model", str(model)]],
        "stress": [
            ["stress", ".", *labels, *quick, "--variant", "dark50", "--output", str(out / "x")],
        ],
        "package": [["package", "--model", str(model), "--target", "predict", "--output", bundle]],
        "rehearse": [["rehearse", bundle, "--data", ".", "--no-venv"]],
        "submit": [
            ["submit", bundle, "--model-name", "m", "--force", "--yes", "--server", nobody],
        ],
        "ledger": [["ledger"], ["ledger", "export", "EXP-001"]],
    }
    assert commands.keys() == COMMANDS.keys()
    return commands


def _case(
    command: list[str], data: Path, log: Path, tally: Tally, unsafe: frozenset[str] = frozenset()
) -> None:
    log.unlink(missing_ok=True)
    what = " ".join(command[1:4])
    code, text = finish(start(command, cwd=data), SECONDS)
    told = _told(log) - unsafe
    if code is None:
        tally.hangs += 1
        tally.failed(f"{what} did not end")
    elif told:
        tally.failed(f"{what} ran {', '.join(sorted(told))}")
    elif "Traceback" in text or code not in (0, 1, 2):
        tally.failed(f"{what}: exit code {code}: {text[-300:]}")
    else:
        tally.survived += 1
        tally.counts[f"exit code {code}"] += 1


def _told(log: Path) -> set[str]:
    return set(log.read_text().split()) if log.exists() else set()
