"""Run a notebook under the server's limits: time, CPUs, memory, network.

In: a notebook as JSON, a folder and `Limits`. Out: a `Run`. The notebook's processes are monitored
from outside; if a limit is exceeded, all of them are killed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from dfsubmit.bundle.rehearse import network
from dfsubmit.bundle.rehearse.confinement import NETWORK, PROCESSES
from dfsubmit.bundle.rehearse.kernelrun import KERNEL
from dfsubmit.bundle.rehearse.watching import Limits, guardian, watch
from dfsubmit.bundle.variables import child_environment
from dfsubmit.processes import python_command

_JOB = "from dfsubmit.bundle.rehearse.kernelrun import main; main(sys.argv[1])"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Run:
    """How a notebook ran.

    Attributes:
        error: one line; empty when every cell ran.
        seconds: from the start of the kernel to its end.
        peak_memory: bytes, the highest sum over the notebook's processes (PSS where the system
            has it, which counts shared pages once; else resident sizes).
        over: the limit that ended it, "time" or "memory"; "" where none did.
    """

    error: str
    seconds: float
    peak_memory: int = 0
    over: str = ""


@dataclass(frozen=True)
class Sandbox:
    """Where and with what notebooks run.

    Attributes:
        python: the interpreter of the kernel.
        folder: the working folder.
        scratch: a folder for this sandbox's own files, outside of `folder`.
        limits: of every run.
        keep_path: hand this process's PYTHONPATH on, for the present environment.
        held: what `confinement` can hold on this machine.
        hidden: files and folders that no notebook may see.
    """

    python: Path
    folder: Path
    scratch: Path
    limits: Limits
    keep_path: bool
    held: frozenset[str] = frozenset()
    hidden: tuple[str, ...] = ()

    def run(
        self,
        notebook: Mapping[str, Any],
        executed: Path,
        *,
        closed: bool,
        follow: Callable[[str], object] = lambda line: None,
    ) -> Run:
        """Run a notebook in a fresh kernel.

        Args:
            notebook: as JSON.
            executed: where the notebook with its outputs goes.
            closed: whether to close the network.
            follow: called with each line that the cells print, while they run.
        """
        self._write_kernel(closed)
        result_file = self.scratch / "result.json"
        result_file.unlink(missing_ok=True)
        said = self.scratch / "said.txt"
        said.write_bytes(b"")
        job = {
            "notebook": notebook,
            "executed": str(executed),
            "result": str(result_file),
            "said": str(said),
            "folder": str(self.folder),
            "cpus": self.limits.cpus,
            "confined": sorted(self.held if closed else self.held - {NETWORK}),
            "hidden": self.hidden,
        }
        job_file = self.scratch / "job.json"
        job_file.write_text(json.dumps(job), encoding="utf-8")
        log = self.scratch / "kernel.log"
        started = time.monotonic()
        with log.open("wb") as stream, said.open("rb") as lines, guardian() as others:
            process = subprocess.Popen(
                python_command(_JOB, str(job_file)),
                cwd=self.scratch,
                env={
                    **child_environment(network=not closed),
                    "JUPYTER_PATH": str(self.scratch / "jupyter"),
                },
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
            confined = PROCESSES in self.held
            peak, over = watch(
                process, self.limits, others, confined, lambda: _hand_on(lines, follow)
            )
        seconds = time.monotonic() - started
        if over:
            limits = {"time": f"{self.limits.seconds:g} s", "memory": f"{self.limits.memory:,} B"}
            error = f"ended: over the {over} limit of {limits[over]}"
            return Run(error, seconds, peak, over)
        try:
            result = json.loads(result_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            return Run(f"the kernel could not be run: {' '.join(tail)}", seconds, peak)
        return Run(result["error"], result["seconds"], peak)

    def _write_kernel(self, closed: bool) -> None:
        paths = [os.environ["PYTHONPATH"]] if self.keep_path and "PYTHONPATH" in os.environ else []
        environment = {}
        if closed and NETWORK not in self.held:
            network.write_blocker(self.scratch / "blocker")
            paths.insert(0, str(self.scratch / "blocker"))
        if closed:
            # The server has none of this machine's caches: a model that is found in one must fail.
            for name in ("HOME", "XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME"):
                environment[name] = str(self.scratch / "home")
            (self.scratch / "home").mkdir(exist_ok=True)
        folder = self.scratch / "jupyter" / "kernels" / KERNEL
        folder.mkdir(parents=True, exist_ok=True)
        specification = {
            "argv": [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": KERNEL,
            "language": "python",
            "env": {**environment, "PYTHONPATH": os.pathsep.join(paths)},
        }
        (folder / "kernel.json").write_text(json.dumps(specification), encoding="utf-8")


def _hand_on(stream: BinaryIO, follow: Callable[[str], object]) -> None:
    """The whole lines that were written since the last time, without the colours that a notebook's
    kernel asks for (ipykernel sets FORCE_COLOR)."""
    while (line := stream.readline()).endswith(b"\n"):
        follow(_COLOUR.sub("", line.decode("utf-8", "replace")).rstrip())
    stream.seek(-len(line), os.SEEK_CUR)
