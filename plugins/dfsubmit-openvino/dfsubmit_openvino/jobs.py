"""The child process's side of `children`: converts or quantises, and leaves a graph's files."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dfsubmit.hooks import DfsubmitError
from dfsubmit_openvino.store import NoRoom, save_graph


def main(settings: str, lifeline: int) -> None:
    """Do one job.

    Args:
        settings: JSON: ``job``, ``target`` (the folder to write), and the job's own.
        lifeline: a pipe that ends with the parent.
    """
    # Standard output is for the answer; what libraries print there goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    wanted: dict[str, Any] = json.loads(settings)
    target = Path(wanted.pop("target"))
    threading.Thread(target=_end_with_parent, args=(lifeline, target.parent), daemon=True).start()
    try:
        save_graph(_JOBS[wanted.pop("job")](**wanted), target)
    except (DfsubmitError, NoRoom) as error:
        answer = {
            "kind": type(error).__name__,
            "message": str(error),
            "hint": getattr(error, "hint", ""),
            "code": int(getattr(error, "exit_code", 1)),
        }
        print(json.dumps(answer), file=answers, flush=True)
        sys.exit(1)
    # Without tearing down the libraries, which takes a second and can crash.
    sys.stderr.flush()
    os._exit(0)


def _convert(folder: str, height: int, width: int) -> Any:
    from dfsubmit_openvino.convert import convert_folder

    return convert_folder(Path(folder), height, width)


def _quantise(graph: str, faces: str) -> Any:
    from dfsubmit_openvino.quantise import quantise_stored

    return quantise_stored(Path(graph), Path(faces))


_JOBS: dict[str, Callable[..., Any]] = {"convert": _convert, "quantise": _quantise}


def _end_with_parent(lifeline: int, scratch: Path) -> None:
    """A parent that was killed cannot end this process, or remove its files."""
    os.read(lifeline, 1)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)
