"""Run a bundle as the server would: what was uploaded, its packages, its limits, no network.

In: a bundle and a folder of media. Out: a `Report`. Everything happens in a scratch folder that
holds only what the client would have sent, with the media laid flat in ``./data``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dfsubmit.bundle import checks
from dfsubmit.bundle.manifest import MANIFEST_FILE, NOTEBOOKS, bundle_hash, changes, read_manifest
from dfsubmit.bundle.package.notebooks import read_notebook, role
from dfsubmit.bundle.pins import CPUS
from dfsubmit.bundle.rehearse import network, outcome, report
from dfsubmit.bundle.rehearse.environment import (
    Environment,
    install,
    make_environment,
    present_environment,
    versions,
)
from dfsubmit.bundle.rehearse.options import RehearsalOptions
from dfsubmit.bundle.rehearse.report import Report
from dfsubmit.bundle.rehearse.sandbox import Run, Sandbox
from dfsubmit.bundle.upload import lay_out, uploaded
from dfsubmit.errors import DfsubmitError, UsageError
from dfsubmit.evaluation.labels import read_labels
from dfsubmit.files import relative_files
from dfsubmit.machine import available_cpus


def rehearse(options: RehearsalOptions, tell: Callable[[str], None] = lambda line: None) -> Report:
    """Rehearse a bundle and keep the report, the executed notebook and the result beside it.

    Args:
        options: what to rehearse, and how.
        tell: called with a line at the start of each step.

    Raises:
        UsageError: no bundle, no media, two media files of one name, or labels that cannot be read.
        NotInstalled: nbclient, ipykernel or psutil is missing.
    """
    bundle = options.bundle
    built = read_manifest(bundle)
    # Read at once: a wrong labels file is better found before the hours than after them.
    labels = read_labels(options.labels) if options.labels is not None else {}
    found = Report(
        bundle=bundle.absolute().name,
        bundle_hash=bundle_hash(bundle),
        target=built.target,
        time=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    folder = report.kept(bundle)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="dfsubmit-rehearsal-") as scratch:
        work = Path(scratch, "work")
        media = _lay_flat(options.data, options.labels, work / "data")
        found.figures["files"] = len(media)
        _check_files(found, options, built.target, changes(bundle, built), work)
        if (work / NOTEBOOKS[built.target]).is_file():
            _run(found, options, built.target, Path(scratch), work, folder, tell)
            outcome.check_outcome(found, work, options, labels)
            outcome.keep(work, folder)
    report.write(found, folder)
    return found


def _lay_flat(data: Path, labels: Path | None, destination: Path) -> list[str]:
    """Link or copy the media into one folder; their names."""
    if not data.is_dir():
        raise UsageError(f"--data {data}: there is no such folder")
    destination.mkdir(parents=True)
    names = []
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
        names.append(path.name)
    if not names:
        raise UsageError(f"--data {data} holds no files")
    return names


def _check_files(
    found: Report, options: RehearsalOptions, target: str, edits: list[str], work: Path
) -> None:
    """What can be said before anything runs; lays out what would be uploaded."""
    bundle = options.bundle
    paths = relative_files(bundle)
    sent = uploaded(bundle, target)
    lay_out(bundle, sent, work)
    size = sum((bundle / path).stat().st_size for path in sent)
    found.figures["bundle_bytes"] = size
    found.add("as built", edits, "every file as in the manifest", bad=report.WARN)
    lost = sorted(set(paths) - set(sent) - {MANIFEST_FILE})
    found.add(
        "upload",
        [f"{path} would not be uploaded" for path in lost],
        f"{len(sent)} files, {size:,} bytes, as the client of '{target}' sends them",
    )
    reasons = checks.problems(bundle, target, options.max_size)
    found.add("rules", reasons, "one model, no key, no absolute path, no pickle, size in bounds")


def _run(
    found: Report,
    options: RehearsalOptions,
    target: str,
    scratch: Path,
    work: Path,
    folder: Path,
    tell: Callable[[str], None],
) -> None:
    """Install with the network open, then run with the network closed."""
    try:
        notebook = read_notebook(work / NOTEBOOKS[target])
        tell("preparing the environment")
        environment = make_environment(scratch / "venv") if options.fresh else present_environment()
    except DfsubmitError as error:
        found.add("environment", [error.message], "")
        return
    found.figures["substitutions"] = list(environment.substitutions)
    found.add(
        "environment",
        [f"stand-in: {line}" for line in environment.substitutions],
        "Python and preinstalled packages as on the server",
        bad=report.WARN,
    )
    first, rest = split(notebook, target)
    sandbox = Sandbox(environment.python, work, scratch, options.limits, not options.fresh)
    if options.fresh:
        tell("installing")
        if not _install(found, sandbox, environment, first, target, folder):
            return
    found.figures["versions"] = versions(environment.python)
    closed = "namespace" if network.namespace_works() else "blocker"
    ways = {"namespace": "a namespace with only loopback", "blocker": "Python's sockets fail"}
    found.add("network", [], f"closed while the notebook ran: {ways[closed]}")
    tell("running the notebook")
    run = sandbox.run(rest, folder / "executed.ipynb", closed=closed)
    _add_run(found, run, options)


def _install(
    found: Report,
    sandbox: Sandbox,
    environment: Environment,
    first: Mapping[str, Any],
    target: str,
    folder: Path,
) -> bool:
    error = ""
    # The server of 3.x installs requirements.txt itself; the 2025 notebook does it in a cell.
    if target == "predict" and (sandbox.folder / "requirements.txt").is_file():
        error = install(environment.python, ["-r", "requirements.txt"], sandbox.folder)
    if not error:
        run = sandbox.run(first, folder / "installation.ipynb")
        error = run.error
        found.figures["install_seconds"] = round(run.seconds, 1)
    if not error and (sandbox.folder / outcome.SUBMISSION).exists():
        error = f"{outcome.SUBMISSION} was written by an installing cell, with the network open"
    return found.add("installation", [error] if error else [], "the installing cells ran")


def _add_run(found: Report, run: Run, options: RehearsalOptions) -> None:
    found.add("notebook", [run.error] if run.error else [], "every cell ran to its end")
    count = found.figures["files"]
    limits = options.limits
    found.figures |= {"seconds": round(run.seconds, 1), "peak_memory": run.peak_memory}
    over = [f"over the limit of {limits.seconds:,.0f} s"] if run.over_time else []
    found.add("time", over, f"{run.seconds:,.1f} s for {count} files")
    gigabytes = f"{run.peak_memory / 1e9:.2f} GB at most, all processes together"
    over = [f"over the limit of {limits.memory / 1e9:.1f} GB"] if run.over_memory else []
    found.add("memory", over, gigabytes)
    cpus = min(limits.cpus, available_cpus())
    slower = [f"{cpus} CPUs; the server has {CPUS}"] if cpus < CPUS else []
    found.add("CPUs", slower, str(cpus), bad=report.WARN)


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
