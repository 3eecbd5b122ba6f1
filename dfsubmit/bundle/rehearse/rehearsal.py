"""Run a bundle as the server would: what was uploaded, its packages, its limits, no network.

In: a bundle and a folder of media. Out: a `Report`. Everything happens in a scratch folder that
holds only what the client would have sent, with the media laid flat in ``./data``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dfsubmit.bundle import checks, state
from dfsubmit.bundle.manifest import MANIFEST_FILE, NOTEBOOKS, bundle_hash, changes, read_manifest
from dfsubmit.bundle.package.notebooks import read_notebook, role
from dfsubmit.bundle.pins import CPUS
from dfsubmit.bundle.rehearse import confinement, outcome, preflight
from dfsubmit.bundle.rehearse.environment import PRESENT, make_environment, versions
from dfsubmit.bundle.rehearse.options import RehearsalOptions
from dfsubmit.bundle.rehearse.report import WARN, Report, keep, kept
from dfsubmit.bundle.rehearse.sandbox import Run, Sandbox
from dfsubmit.bundle.upload import lay_out, uploaded
from dfsubmit.console import counted
from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.evaluation.labels import read_labels
from dfsubmit.files import relative_files
from dfsubmit.machine import available_cpus

_REQUIREMENTS = """\
import subprocess, sys

pip = [sys.executable, "-m", "pip", "install", "--quiet", "-r", "requirements.txt"]
done = subprocess.run(pip, capture_output=True, text=True)
if done.returncode:
    raise RuntimeError("pip: " + "".join(done.stderr.strip().splitlines()[-1:]))
"""
_NOT_HELD = {
    confinement.PROCESSES: "no namespace for processes here: what the notebook leaves running is"
    " looked for and ended, what hides from that is not found",
    confinement.PROC: "the notebook can see this machine's processes, and read keys in the"
    " environment of those that are the user's",
    confinement.FILES: "the notebook can reach this machine's Unix sockets, and files with keys",
    confinement.MEDIA: "the notebook can change the media that it is rehearsed with",
}


Say = Callable[[str], object]


def rehearse(
    options: RehearsalOptions, say: Say = lambda line: None, follow: Say = lambda line: None
) -> Report:
    """Rehearse a bundle and keep the report, the executed notebook and the result beside it.

    What was kept of an earlier rehearsal stays until this one has ended (see `report.keep`).

    Args:
        options: what to rehearse, and how.
        say: called with a line at the start of each step.
        follow: called with each line that the bundle's run prints, as it prints it.

    Raises:
        UsageError: no bundle, no media, two media files of one name, labels that cannot be read, or
            no space.
        NotInstalled: a package of the extra "bundle" is missing.
    """
    bundle = options.bundle
    built = read_manifest(bundle)
    preflight.check(options)
    # Read at once: a wrong labels file is better found before the hours than after them.
    labels = read_labels(options.labels) if options.labels is not None else {}
    report = Report(
        bundle=bundle.absolute().name,
        bundle_hash=bundle_hash(bundle),
        target=built.target,
        time=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    folder = preflight.new_folder(kept(bundle))
    try:
        with tempfile.TemporaryDirectory(prefix="dfsubmit-rehearsal-") as scratch:
            work = Path(scratch, "work")
            report.figures["files"] = _lay_flat(options.data, options.labels, work / "data")
            rehearsal = _Rehearsal(options, report, Path(scratch), work, folder, say, follow)
            rehearsal.check_files(changes(bundle, built))
            if (work / NOTEBOOKS[built.target]).is_file():
                rehearsal.run()
                outcome.check_outcome(report, work, options, labels)
                outcome.keep(work, folder)
        keep(report, bundle, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _lay_flat(data: Path, labels: Path | None, destination: Path) -> int:
    """Link or copy the media into one folder; their number."""
    if not data.is_dir():
        raise UsageError(f"--data {data}: there is no such folder")
    destination.mkdir(parents=True)
    count = 0
    for path in sorted(data.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(data).parts)
        if hidden or not path.is_file() or (labels is not None and path.samefile(labels)):
            continue
        if (destination / path.name).exists():
            raise UsageError(
                f"--data {data} has two files called {path.name!r}",
                "the server's ./data is flat: give a folder whose names are all different",
            )
        try:
            os.link(path.resolve(), destination / path.name)
        except OSError:
            shutil.copy2(path, destination / path.name)
        count += 1
    if not count:
        raise UsageError(f"--data {data} holds no files")
    return count


@dataclass(frozen=True)
class _Rehearsal:
    """One rehearsal on its way.

    Attributes:
        options: of the rehearsal.
        report: takes the checks and figures.
        scratch: for the rehearsal's own files.
        work: what the notebook has for its working folder.
        folder: where the executed notebooks are kept.
        say: called with a line at the start of each step.
        follow: called with each line that the run prints.
    """

    options: RehearsalOptions
    report: Report
    scratch: Path
    work: Path
    folder: Path
    say: Say
    follow: Say

    def check_files(self, edits: list[str]) -> None:
        """What can be said before anything runs; lays out what would be uploaded."""
        bundle, report = self.options.bundle, self.report
        sent = uploaded(bundle, report.target)
        lay_out(bundle, sent, self.work)
        size = sum((bundle / path).stat().st_size for path in sent)
        report.figures["bundle_bytes"] = size
        report.add("as built", edits, "every file as in the manifest", bad=WARN)
        lost = sorted(set(relative_files(bundle)) - set(sent) - {MANIFEST_FILE})
        report.add(
            "upload",
            [f"{path} would not be uploaded" for path in lost],
            f"{counted(len(sent), 'file')}, {size:,} bytes, "
            f"as the client of '{report.target}' sends them",
        )
        reasons = checks.problems(bundle, report.target, self.options.max_size)
        good = "one model, no key, no absolute path, no pickle, size in bounds"
        report.add("rules", reasons, good)

    def run(self) -> None:
        """Install with the network open, then run with the network closed."""
        report, options = self.report, self.options
        try:
            notebook = read_notebook(self.work / NOTEBOOKS[report.target])
            self.say("preparing the environment")
            environment = make_environment(self.scratch / "venv") if options.fresh else PRESENT
        except DfsubmitError as error:
            report.add("environment", [error.message], "")
            return
        report.figures["substitutions"] = list(environment.substitutions)
        stand_ins = [f"stand-in: {line}" for line in environment.substitutions]
        good = "Python and preinstalled packages as on the server"
        report.add("environment", stand_ins, good, bad=WARN)
        first, rest = split(notebook, report.target)
        python = environment.python
        hidden = confinement.private_paths(Path.home(), state.home())
        held = confinement.probe(hidden)
        keep_path = not options.fresh
        sandbox = Sandbox(
            python, self.work, self.scratch, options.limits, keep_path, held, tuple(hidden)
        )
        self._add_confinement(held)
        if options.fresh:
            self.say("installing")
            if not self._install(sandbox, first):
                return
        report.figures["versions"] = versions(python)
        self.say("running the notebook")
        executed = self.folder / "executed.ipynb"
        self._add_run(sandbox.run(rest, executed, closed=True, follow=self.follow))

    def _add_confinement(self, held: frozenset[str]) -> None:
        """What is held while a notebook runs, and what cannot be on this machine."""
        open_ways = "not closed by the system: only Python's own sockets fail"
        self.report.add(
            "network",
            [open_ways if confinement.NETWORK not in held else ""],
            "closed while the notebook ran: a namespace with only loopback",
            bad=WARN,
        )
        missing = [text for part, text in _NOT_HELD.items() if part not in held]
        good = "its own processes, which ended with it; keys and sockets of this machine covered"
        self.report.add("confinement", missing, good, bad=WARN)

    def _install(self, sandbox: Sandbox, cells: Mapping[str, Any]) -> bool:
        # The server of 3.x installs requirements.txt itself; the 2025 notebook does it in a cell.
        if self.report.target == "predict" and (self.work / "requirements.txt").is_file():
            cell: dict[str, Any] = {
                "cell_type": "code",
                "id": "requirements",
                "metadata": {},
                "outputs": [],
            }
            cell |= {"execution_count": None, "source": _REQUIREMENTS}
            cells = {**cells, "cells": [cell, *cells["cells"]]}
        run = sandbox.run(cells, self.folder / "installation.ipynb", closed=False)
        error = run.error
        self.report.figures["install_seconds"] = round(run.seconds, 1)
        if not error and (self.work / outcome.SUBMISSION).exists():
            error = f"{outcome.SUBMISSION} was written by an installing cell, with the network open"
        return self.report.add("installation", [error], "the installing cells ran")

    def _add_run(self, run: Run) -> None:
        report, limits = self.report, self.options.limits
        report.add("notebook", [run.error], "every cell ran to its end")
        report.figures |= {"seconds": round(run.seconds, 1), "peak_memory": run.peak_memory}
        over = f"over the limit of {limits.seconds:,.0f} s" if run.over == "time" else ""
        report.add(
            "time", [over], f"{run.seconds:,.1f} s for {counted(report.figures['files'], 'file')}"
        )
        over = f"over the limit of {limits.memory / 1e9:.1f} GB" if run.over == "memory" else ""
        gigabytes = f"{run.peak_memory / 1e9:.2f} GB at most, all processes together"
        report.add("memory", [over], gigabytes)
        cpus = min(limits.cpus, available_cpus())
        slower = f"{cpus} CPUs; the server has {CPUS}" if cpus < CPUS else ""
        report.add("CPUs", [slower], str(cpus), bad=WARN)


def split(notebook: Mapping[str, Any], target: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The notebook's first, installing cells, and the rest without the submitting cells.

    The server closes the network after the first cells: an installation further down is part of
    the rest, and fails there. Lines of a "predict" notebook that begin with % are not run.
    """
    first: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            rest.append(cell)
            continue
        part = role(cell["source"])
        if target == "predict":
            lines = cell["source"].splitlines(keepends=True)
            kept_lines = [line for line in lines if not line.lstrip().startswith("%")]
            cell = {**cell, "source": "".join(kept_lines)}
        if part == "submit":
            continue
        has_begun = any(item["cell_type"] == "code" for item in rest)
        (first if part == "install" and not has_begun else rest).append(cell)
    return {**notebook, "cells": first}, {**notebook, "cells": rest}
