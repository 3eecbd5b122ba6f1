"""Run a notebook in a fresh kernel.

The child process of a rehearsal. It enters its confinement and gives up CPUs before it starts the
kernel, so that both, and every process of the notebook, live under the same rules.

The job is a JSON object: notebook (as JSON), executed (where the run notebook goes), result
(where a JSON object with "error" and "seconds" goes), said (where what the cells print goes as they
print it), folder (the working folder), cpus, confined
and hidden (as `confinement.enter` takes them).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from dfsubmit.bundle.rehearse.confinement import enter

KERNEL = "rehearsal"
"""The name of the kernel specification that the job runs in."""

MOST_SAID = 1_000_000
"""Bytes of what the cells print that are handed on while they run; the notebook keeps the rest."""


def main(job_file: str) -> None:
    """Run one job; a failing notebook is a result, not an error of this process."""
    job: dict[str, Any] = json.loads(Path(job_file).read_text(encoding="utf-8"))
    if job["confined"]:
        enter(job["confined"], job["hidden"], f"{job['folder']}/data")
    # Where the system cannot restrict a process (macOS), the report's CPU count is the machine's.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["cpus"]])
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    notebook = nbformat.reads(json.dumps(job["notebook"]), as_version=4)

    class Client(NotebookClient):  # type: ignore[misc]  # nbclient has no types
        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            if msg["msg_type"] == "stream":
                _append(Path(job["said"]), msg["content"]["text"])
            return super().process_message(msg, cell, cell_index)

    client = Client(
        notebook,
        timeout=None,
        kernel_name=KERNEL,
        resources={"metadata": {"path": job["folder"]}},
    )
    error = ""
    started = time.monotonic()
    try:
        client.execute()
    except CellExecutionError as failure:
        # The last line of a traceback says what went wrong; the notebook keeps all of it.
        error = f"{failure.ename}: {failure.evalue}".strip()
    except (DeadKernelError, RuntimeError, TimeoutError) as failure:
        error = f"the kernel died: {failure}"
    seconds = time.monotonic() - started
    nbformat.write(notebook, job["executed"])
    Path(job["result"]).write_text(
        json.dumps({"error": error, "seconds": seconds}), encoding="utf-8"
    )


def _append(path: Path, text: str) -> None:
    with path.open("ab") as stream:
        if stream.tell() < MOST_SAID:
            stream.write(text.encode("utf-8", "backslashreplace"))
